"""The SQL statements of `include/sql/`, loaded by name."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import LiteralString

DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "include" / "sql"


def folder() -> Path:
    """Return the folder of the statements: `KRAYIN_SYNC_SQL`, else `include/sql` of the project."""
    return Path(os.environ.get("KRAYIN_SYNC_SQL", DEFAULT_FOLDER))


@cache
def statement(name: str) -> LiteralString:
    """Return the text of `include/sql/<name>.sql`, for example `statement("load/claim")`.

    Raises:
        FileNotFoundError: there is no such file; the message names the path.
    """
    # The files are part of the program: as trustworthy as a literal.
    text: LiteralString = (folder() / f"{name}.sql").read_text(encoding="utf-8")
    return text
