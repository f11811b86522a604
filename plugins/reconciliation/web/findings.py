"""Findings as CSV, Parquet and Excel, a chunk at a time, with values or without."""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

from reconciliation.store.reports import PackedFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

CHUNK: Final = 5000
SHEET_ROWS: Final = 1_048_575
"""What a sheet of Excel takes below its heading."""
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
        ("needs_somebody", pa.bool_()),
    ]
)
_IN_WORDS: Final = ("difference", "chatwoot", "krayin", "what_happens")
WITH_VALUES: Final = pa.schema([*((name, pa.string()) for name in _IN_WORDS), *SCHEMA])
"""The columns for those who may see values: what differs, both sides, what happens, then the rest."""


class Sheet(Protocol):
    """A file that is being written: rows by the names of its columns."""

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows."""


@dataclass(frozen=True, slots=True)
class WrittenFindings:
    """The files, how many findings stand in them, and the first ones for the page."""

    files: tuple[PackedFile, ...]
    total: int
    first: Sequence[Mapping[str, Any]]


def write_findings(
    chunks: Iterable[Sequence[Mapping[str, Any]]], schema: pa.Schema, *, show: int
) -> WrittenFindings:
    """Write chunks of findings into a file of each format; memory holds one chunk and the packed files.

    Args:
        chunks: rows with the columns of `schema`.
        schema: `SCHEMA` or `WITH_VALUES`.
        show: how many findings are handed back as rows.
    """
    total = 0
    first: list[Mapping[str, Any]] = []
    with ExitStack() as stack:
        opened = {ending: stack.enter_context(tempfile.TemporaryFile()) for ending in FORMATS}
        with ExitStack() as writing:
            sheets = [
                writing.enter_context(FORMATS[ending][1](file, schema)) for ending, file in opened.items()
            ]
            for rows in chunks:
                first += rows[: max(0, show - len(first))]
                total += len(rows)
                for sheet in sheets:
                    sheet.write(rows)
        files = tuple(
            PackedFile.of(f"findings.{ending}", FORMATS[ending][0], file) for ending, file in opened.items()
        )
    return WrittenFindings(files, total, first)


@contextmanager
def csv_sheet(file: IO[bytes], schema: pa.Schema) -> Iterator[Sheet]:
    """Write rows as CSV; a cell that a spreadsheet would take for a formula gets an apostrophe."""
    file.write((",".join(schema.names) + "\r\n").encode())
    yield _Csv(file, schema)


@contextmanager
def parquet_sheet(file: IO[bytes], schema: pa.Schema) -> Iterator[Sheet]:
    """Write rows with their types; the file is whole at the end."""
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        yield _Parquet(writer, schema)


@contextmanager
def excel_sheet(file: IO[bytes], schema: pa.Schema) -> Iterator[Sheet]:
    """Write rows as a workbook that no cell of which is a formula or a link; whole at the end."""
    plain = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False,
             "default_date_format": "yyyy-mm-dd hh:mm", "remove_timezone": True}  # fmt: skip
    with xlsxwriter.Workbook(file, plain) as book:
        yield _Excel(book, schema)


@dataclass(slots=True)
class _Csv:
    file: IO[bytes]
    schema: pa.Schema

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.file.write(_csv(rows, self.schema).encode())


@dataclass(slots=True)
class _Parquet:
    writer: pq.ParquetWriter
    schema: pa.Schema

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.writer.write_table(pa.Table.from_pylist(rows, self.schema))


@dataclass(slots=True)
class _Excel:
    book: xlsxwriter.Workbook
    schema: pa.Schema
    written: int = 0
    sheet: Any = field(init=False)

    def __post_init__(self) -> None:
        self._add_sheet()

    def _add_sheet(self) -> None:
        self.sheet = self.book.add_worksheet()
        self.sheet.freeze_panes(1, 0)
        self.sheet.set_column(0, len(self.schema.names) - 1, 18)
        self.sheet.write_row(0, 0, self.schema.names, self.book.add_format({"bold": True}))
        self.written = 0

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        for row in rows:
            if self.written == SHEET_ROWS:
                self._add_sheet()
            self.written += 1
            for place, name in enumerate(self.schema.names):
                value = row[name]
                # Excel knows no time zones: the times are UTC, as in the other files.
                if isinstance(value, datetime):
                    self.sheet.write_datetime(self.written, place, value)
                elif value is not None:
                    self.sheet.write(self.written, place, value)


FORMATS: Final = {
    "csv": ("text/csv; charset=utf-8", csv_sheet),
    "parquet": ("application/vnd.apache.parquet", parquet_sheet),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", excel_sheet),
}
"""By the end of a file's name, its media type and what writes it."""


def as_text(value: Any) -> str | None:
    """Return a field's value as people read it: the entries of a list with commas, None for blank."""
    match value:
        case None | "" | []:
            return None
        case str():
            return value
        case list():
            return ", ".join(map(str, value))
        case _:
            return json.dumps(value, ensure_ascii=False)


def _csv(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> str:
    frame = pd.DataFrame.from_records(rows, columns=schema.names)
    for name, kind in zip(schema.names, schema.types, strict=True):
        if pa.types.is_string(kind):
            frame[name] = frame[name].map(_harmless, na_action="ignore")
        elif pa.types.is_integer(kind):
            # Without this a column with blanks would show 7.0 for 7.
            frame[name] = frame[name].astype("Int64")
        elif pa.types.is_timestamp(kind):
            frame[name] = pd.to_datetime(frame[name], utc=True)
    return str(
        frame.to_csv(index=False, header=False, lineterminator="\r\n", date_format="%Y-%m-%dT%H:%M:%SZ")
    )


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text
