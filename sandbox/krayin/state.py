"""A file that keeps the database, so that a restarted process finds its records again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.krayin.tables import Database, Row


class StateFile:
    """A journal of row changes, one JSON line each: table, id, row (null when deleted).

    Args:
        path: made when missing; compacted whenever it is opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream: TextIO | None = None

    def load(self, database: Database) -> bool:
        """Fill an empty database from the file.

        Returns:
            Whether the file held anything.
        """
        if not self.path.exists():
            return False
        filled = False
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                table, key, row = json.loads(line)
            except ValueError:
                # A process that was killed may have left half a line; what came before it counts.
                break
            filled = True
            if key == 0:
                database[table].next_id = max(database[table].next_id, row)
            elif row is None:
                database[table].forget(key)
            else:
                database[table].restore(row)
        return filled

    def attach(self, database: Database) -> None:
        """Write what the database holds now, and from now on every change."""
        self.detach(database)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as stream:
            for name, rows in database.dump().items():
                stream.write(json.dumps([name, 0, database[name].next_id]) + "\n")
                stream.writelines(json.dumps([name, row["id"], row]) + "\n" for row in rows)
        fresh.replace(self.path)
        self._stream = self.path.open("a", encoding="utf-8")
        database.recorder = self._record

    def detach(self, database: Database) -> None:
        """Stop writing."""
        database.recorder = None
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def flush(self) -> None:
        """Hand what was written to the operating system, so that a killed process loses nothing."""
        if self._stream is not None:
            self._stream.flush()

    def _record(self, table: str, key: int, row: Row | None) -> None:
        assert self._stream is not None
        self._stream.write(json.dumps([table, key, row]) + "\n")
