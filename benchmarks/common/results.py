"""Showing and keeping what was measured."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def show(rows: Sequence[dict[str, Any]], title: str, keep: Path | None = None) -> None:
    """Print rows as a table and write them to `keep` as JSON."""
    table = Table(title=title or None)
    for name in rows[0]:
        table.add_column(name.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()))
    Console(width=160).print(table)
    if keep is not None:
        keep.parent.mkdir(exist_ok=True)
        keep.write_text(json.dumps(list(rows), indent=2) + "\n", encoding="utf-8")
