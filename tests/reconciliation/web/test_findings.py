from __future__ import annotations

import csv
import gzip
import io
import re
import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st
from reconciliation.web import findings
from reconciliation.web.findings import SCHEMA, WrittenFindings, write_findings

if TYPE_CHECKING:
    import pytest

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def row(number: int, **columns: Any) -> dict[str, Any]:
    return {
        "finding_id": number, "class": "changed", "state": "open", "side": "ours", "field": "emails",
        "source_kind": "contact", "source_id": "7", "contact_id": 7, "crm_kind": "person", "crm_id": 70,
        "repair_calls": 1, "first_seen": NOON, "last_seen": NOON, "ended_at": None, "account_id": 1,
        "krayin_page": "https://crm.example.com/admin/contacts/persons/view/70",
        "chatwoot_page": "https://chat.example.com/7", "needs_somebody": True, **columns,
    }  # fmt: skip


def written(*chunks: list[dict[str, Any]], show: int = 2) -> WrittenFindings:
    return write_findings(chunks, SCHEMA, show=show)


def sheet(made: WrittenFindings) -> list[dict[str, str]]:
    text = gzip.decompress(made.files[0].content).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def table(made: WrittenFindings) -> list[dict[str, Any]]:
    return pq.read_table(io.BytesIO(gzip.decompress(made.files[1].content))).to_pylist()


def test_the_files_hold_every_finding_with_its_types() -> None:
    made = written([row(1), row(2, contact_id=None, crm_id=None, field=None)], [row(3)])
    assert (made.total, [one["finding_id"] for one in made.first]) == (3, [1, 2])
    rows = sheet(made)
    assert [one["finding_id"] for one in rows] == ["1", "2", "3"]
    # A blank must not turn the other numbers of its column into 7.0.
    assert [one["contact_id"] for one in rows] == ["7", "", "7"]
    assert rows[0]["first_seen"] == "2026-11-22T12:00:00Z"
    assert rows[0]["ended_at"] == ""
    typed = table(made)
    assert [one["contact_id"] for one in typed] == [7, None, 7]
    assert typed[0]["first_seen"] == NOON
    assert (rows[0]["needs_somebody"], typed[0]["needs_somebody"]) == ("True", True)
    assert set(typed[0]) == set(rows[0]) == set(SCHEMA.names)


def test_sizes_are_those_of_the_unpacked_files() -> None:
    for file in written([row(1)]).files:
        assert file.size == len(gzip.decompress(file.content))


def test_no_finding_makes_files_with_a_heading() -> None:
    made = written()
    assert (made.total, sheet(made), table(made)) == (0, [], [])
    assert gzip.decompress(made.files[0].content).decode().startswith("finding_id,class,")


def test_the_same_findings_make_the_same_files() -> None:
    # A workbook says when it was made.
    assert written([row(1)]).files[:2] == written([row(1)]).files[:2]


def test_a_workbook_goes_on_on_another_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "SHEET_ROWS", 2)
    made = written([row(1), row(2), row(3)])
    with zipfile.ZipFile(io.BytesIO(gzip.decompress(made.files[2].content))) as book:
        sheets = [book.read(f"xl/worksheets/sheet{number}.xml").decode() for number in (1, 2)]
    assert [re.findall(r'<c r="A\d+"><v>(\d+)', one) for one in sheets] == [["1", "2"], ["3"]]


@settings(deadline=None, max_examples=40)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20))
def test_no_cell_is_a_formula_and_no_text_is_lost(text: str) -> None:
    made = written([row(1, field=text)])
    (one,) = sheet(made)
    assert not one["field"].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert one["field"].removeprefix("'") == text.removeprefix("'") or one["field"] == text
    assert table(made)[0]["field"] == text


def test_pandas_reads_both_alike() -> None:
    made = written([row(1), row(2, crm_id=None)])
    one = pd.read_csv(io.BytesIO(gzip.decompress(made.files[0].content)))
    other = pd.read_parquet(io.BytesIO(gzip.decompress(made.files[1].content)))
    assert list(one.columns) == list(other.columns)
    assert one["crm_id"].tolist()[0] == other["crm_id"].tolist()[0] == 70
