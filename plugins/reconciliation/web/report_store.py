"""Where the files of reports are kept: the sync database, which all machines share."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from statements import statement

if TYPE_CHECKING:
    import psycopg

    from reconciliation.web.findings import PackedFile

PAGE = "report.html"


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file of the report of a run of `sync_name`; `content` is packed with gzip."""

    sync_name: str
    media_type: str
    content: bytes


def keep(connection: psycopg.Connection, run_id: int, file: PackedFile) -> None:
    """Keep a file of a run's report, in place of an earlier one of its name."""
    connection.execute(statement("report_file/write"), {"run_id": run_id, **asdict(file)})


def fetch(connection: psycopg.Connection, run_id: int, name: str) -> KeptFile | None:
    """Return a file of a run's report, None when there is no such file."""
    row = connection.execute(statement("report_file/read"), {"run_id": run_id, "name": name}).fetchone()
    return None if row is None else KeptFile(row[0], row[1], bytes(row[2]))
