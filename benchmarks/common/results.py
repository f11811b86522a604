"""Showing and keeping what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = Path(__file__).resolve().parents[1] / "results"


def show(rows: Sequence[dict[str, Any]], title: str) -> None:
    """Print rows as a table."""
    table = Table(title=title or None)
    for name in rows[0]:
        table.add_column(name.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()))
    Console(width=160).print(table)


def keep(name: str, measured: Any) -> None:
    """Write what was measured to `benchmarks/results/<name>.json`."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
