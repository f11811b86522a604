"""The SQL of `include/sql/`, loaded by name: a file for each noun, `-- name: x` above each statement."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import LiteralString

_HERE = Path(__file__).resolve().parent
_PROJECT = _HERE.parents[1] / "include"
# A wheel has what the project ships inside this package; what its user edits is below AIRFLOW_HOME then.
_WHEEL = (_HERE / "include").is_dir()
SHIPPED = _HERE / "include" if _WHEEL else _PROJECT
EDITED = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "include" if _WHEEL else _PROJECT
_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_INCLUDE = re.compile(r"^ *-- include(?: with (\w+))?: (\w+/\w+)(?: by (\w+))?\n", re.MULTILINE)


def folder() -> Path:
    """Return the folder of the statements: `KRAYIN_SYNC_SQL`, else `include/sql` as shipped."""
    return Path(os.environ.get("KRAYIN_SYNC_SQL", SHIPPED / "sql"))


@cache
def script(name: str) -> LiteralString:
    """Return the whole text of `include/sql/<name>.sql`, for example `script("migrations/0023_baseline")`.

    Raises:
        FileNotFoundError: there is no such file; the message names the path.
    """
    # The files are part of the program: as trustworthy as a literal.
    text: LiteralString = (folder() / f"{name}.sql").read_text(encoding="utf-8")
    return text


def scripts(part: str) -> list[LiteralString]:
    """Return the whole text of every file of `include/sql/<part>/` in the order of their names."""
    return [script(f"{part}/{file.stem}") for file in sorted((folder() / part).glob("*.sql"))]


def statement(name: str, *, given: tuple[str, ...] = ()) -> LiteralString:
    """Return one statement with its comment: `statement("operation/claim")` is `claim` in `operation.sql`.

    `given` names the parts that stand in it only then; see `statements`.

    Raises:
        FileNotFoundError: there is no such file.
        KeyError: the file has no statement of this name.
    """
    noun, _, one = name.partition("/")
    return statements(noun, given)[one]


@cache
def statements(noun: str, given: tuple[str, ...] = ()) -> dict[str, LiteralString]:
    """Return every statement of `include/sql/<noun>.sql` by its name.

    For a line `-- include: <noun>/<name>` stands a part that several statements have in common, for one
    `-- include with <what>: <noun>/<name>` as well where that is `given`. What follows `by` takes the place
    of the part's parameter `where`.
    """

    def part(found: re.Match[str]) -> str:
        if found[1] is not None and found[1] not in given:
            return ""
        text = statement(found[2], given=given)
        return text.replace("%(where)s", f"%({found[3]})s") if found[3] else text

    text: LiteralString = _INCLUDE.sub(part, script(noun))
    _, *parts = _NAME.split(text)
    return dict(zip(parts[::2], parts[1::2], strict=True))
