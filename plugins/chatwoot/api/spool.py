"""Keeps what a listing gave, each row once, out of memory."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Spool:
    """Rows (JSON objects) by their id, in a file that nobody else can open and that ends with the spool.

    SQLite keeps a nameless database in memory while it is small and in an unlinked file beyond.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("CREATE TABLE spooled (id INTEGER PRIMARY KEY, document TEXT NOT NULL)")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget everything."""
        self._database.close()

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM spooled").fetchone()[0])

    def put(self, rows: Iterable[dict[str, Any]]) -> None:
        """Add rows with an integer `id`; what was read last of an id stays.

        Raises:
            KeyError, TypeError: a row has no id.
        """
        self._database.executemany(
            "INSERT OR REPLACE INTO spooled VALUES (?, ?)",
            [(_number(row["id"]), json.dumps(row)) for row in rows],
        )

    def of(self, ids: Iterable[int]) -> list[dict[str, Any]]:
        """Return the rows with these ids, as far as there are any, by id."""
        found = self._database.execute(
            "SELECT document FROM spooled WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
            (json.dumps(list(ids)),),
        )
        return [json.loads(row[0]) for row in found]

    def chunks(self, size: int) -> Iterator[list[dict[str, Any]]]:
        """Yield the rows by id, in lists of at most `size`, none empty."""
        cursor = self._database.execute("SELECT document FROM spooled ORDER BY id")
        while found := cursor.fetchmany(size):
            yield [json.loads(row[0]) for row in found]


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value
