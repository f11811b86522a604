"""Where the files of reports are kept: the sync database, which all machines share."""

from __future__ import annotations

import gzip
import io
import shutil
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING, Any

from psycopg.rows import dict_row
from statements import statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

PAGE = "report.html"


@dataclass(frozen=True, slots=True)
class PackedFile:
    """A file packed with gzip; `size` is that of the unpacked one in bytes."""

    name: str
    media_type: str
    size: int
    content: bytes

    @classmethod
    def of(cls, name: str, media_type: str, file: IO[bytes]) -> PackedFile:
        """Pack what was written into a file."""
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        packed = io.BytesIO()
        with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as packing:
            shutil.copyfileobj(file, packing)
        return cls(name, media_type, size, packed.getvalue())


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file of the report of a run of `sync_name`; `content` is packed with gzip."""

    sync_name: str
    media_type: str
    content: bytes


def keep(connection: psycopg.Connection, run_id: int, file: PackedFile, *, due: Sequence[str] = ()) -> None:
    """Keep a file of a run's report, in place of an earlier one of its name.

    `due` are the ways that the report is still to go; it stands beside its page.
    """
    written = {"run_id": run_id, **asdict(file), "due": list(due)}
    connection.execute(statement("report_file/write"), written)


def due(connection: psycopg.Connection, sync_name: str, way: str) -> list[dict[str, Any]]:
    """Return the rows of `report_file/due`: the reports that are still to go a way, the oldest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement("report_file/due"), {"sync_name": sync_name, "way": way}).fetchall()


def gone(connection: psycopg.Connection, run_id: int, way: str) -> None:
    """Note that a run's report went a way."""
    connection.execute(statement("report_file/gone"), {"run_id": run_id, "way": way})


def all_of(connection: psycopg.Connection, run_id: int) -> list[PackedFile]:
    """Return the files of a run's report, its page last: whoever sees that finds all."""
    rows = connection.execute(statement("report_file/all_of"), {"run_id": run_id, "last": PAGE}).fetchall()
    return [PackedFile(*row) for row in rows]


def fetch(connection: psycopg.Connection, run_id: int, name: str) -> KeptFile | None:
    """Return a file of a run's report, None when there is no such file."""
    row = connection.execute(statement("report_file/read"), {"run_id": run_id, "name": name}).fetchone()
    return None if row is None else KeptFile(row[0], row[1], bytes(row[2]))
