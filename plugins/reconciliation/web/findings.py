"""Every finding of a report as CSV and as Parquet, a chunk at a time."""

from __future__ import annotations

import gzip
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

CHUNK: Final = 5000
# Spreadsheets take a cell that begins with one of these for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
_TIME = pa.timestamp("us", tz="UTC")
SCHEMA: Final = pa.schema(
    [
        ("finding_id", pa.int64()),
        ("class", pa.string()),
        ("state", pa.string()),
        ("side", pa.string()),
        ("field", pa.string()),
        ("source_kind", pa.string()),
        ("source_id", pa.string()),
        ("contact_id", pa.int64()),
        ("crm_kind", pa.string()),
        ("crm_id", pa.int64()),
        ("repair_calls", pa.int64()),
        ("first_seen", _TIME),
        ("last_seen", _TIME),
        ("ended_at", _TIME),
        ("krayin_page", pa.string()),
        ("chatwoot_page", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class PackedFile:
    """A file packed with gzip; `size` is that of the unpacked one in bytes."""

    name: str
    media_type: str
    size: int
    content: bytes


@dataclass(frozen=True, slots=True)
class WrittenFindings:
    """The two files, how many findings stand in them, and the first ones for the page."""

    files: tuple[PackedFile, ...]
    total: int
    first: Sequence[Mapping[str, Any]]


def write_findings(
    chunks: Iterable[Sequence[Mapping[str, Any]]],
    chatwoot_page: Callable[[Mapping[str, Any]], str | None],
    *,
    show: int,
) -> WrittenFindings:
    """Write chunks of findings into both files; memory holds one chunk and the packed files.

    Args:
        chunks: rows of the statement `finding/samples`.
        chatwoot_page: the address of a row's record in Chatwoot, None without one.
        show: how many findings are handed back as rows.
    """
    total = 0
    first: list[Mapping[str, Any]] = []
    with ExitStack() as stack:
        sheet_file = stack.enter_context(tempfile.TemporaryFile())
        table_file = stack.enter_context(tempfile.TemporaryFile())
        packed = stack.enter_context(gzip.GzipFile(fileobj=sheet_file, mode="wb", mtime=0))
        table = stack.enter_context(pq.ParquetWriter(table_file, SCHEMA, compression="zstd"))
        packed.write((",".join(SCHEMA.names) + "\r\n").encode())
        for chunk in chunks:
            rows = [{**row, "chatwoot_page": chatwoot_page(row)} for row in chunk]
            first += rows[: max(0, show - len(first))]
            total += len(rows)
            table.write_table(pa.Table.from_pylist(rows, SCHEMA))
            packed.write(_sheet(rows).encode())
        # Both end with what only closing writes.
        table.close()
        sheet_size = packed.tell()
        packed.close()
        table_size = table_file.tell()
        files = (
            PackedFile("findings.csv", "text/csv; charset=utf-8", sheet_size, _content(sheet_file)),
            PackedFile(
                "findings.parquet",
                "application/vnd.apache.parquet",
                table_size,
                gzip.compress(_content(table_file), 1, mtime=0),
            ),
        )
    return WrittenFindings(files, total, first)


def _sheet(rows: Sequence[Mapping[str, Any]]) -> str:
    frame = pd.DataFrame.from_records(rows, columns=SCHEMA.names)
    for name, kind in zip(SCHEMA.names, SCHEMA.types, strict=True):
        if pa.types.is_string(kind):
            frame[name] = frame[name].map(_harmless, na_action="ignore")
        elif pa.types.is_integer(kind):
            # Without this a column with blanks would show 7.0 for 7.
            frame[name] = frame[name].astype("Int64")
        else:
            frame[name] = pd.to_datetime(frame[name], utc=True)
    return str(
        frame.to_csv(index=False, header=False, lineterminator="\r\n", date_format="%Y-%m-%dT%H:%M:%SZ")
    )


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()
