"""Comparisons against the one before, and differences as files."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from reconciliation.settings.sync_files import load_syncs
from reconciliation.web.page_context import PageContext

from tests.reconciliation.web.test_status_app import Browser, browser, signed_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.reconciliation.world import World


@pytest.fixture
def around(tmp_path: Path, world: World) -> PageContext:
    (tmp_path / "test.yaml").write_text(
        "name: test\nchatwoot: {account_id: 1, url: https://chat.example.com/}\n"
    )
    return PageContext(
        signed_in=signed_in,
        readable=lambda _: {"test__sync": False},
        login=lambda _: None,
        may_start=lambda user, _: user == "ada",
        start=lambda *_: "",
        question=lambda _: None,
        answer=lambda *_: None,
        audit=lambda *_: None,
        syncs=lambda: load_syncs(tmp_path),
        open_sync=world.sync,
        sync_dsn=lambda: world.sync_url,
    )


def rename(world: World, person_id: int, name: str) -> None:
    row = world.api("GET", f"contacts/persons/{person_id}")["data"]
    kept = {one: row[one] for one in ("emails", "contact_numbers")}
    world.api("PUT", f"contacts/persons/{person_id}", {**kept, "name": name, "user_id": 1})


@pytest.fixture
def compared(world: World) -> list[int]:
    """Three comparisons: two names differ; one of them is right again and a third differs; nothing more."""
    for number in range(4):
        world.add(name=f"Ada {number}", email=f"a{number}@example.com", phone_number=f"+493012345{number}")
    world.run()
    persons = [one["id"] for one in world.persons()]
    rename(world, persons[0], "=Countess")
    rename(world, persons[1], "Lady")
    world.compared(repairing=False)
    rename(world, persons[1], "Ada 1")
    rename(world, persons[2], "Baroness")
    world.compared(repairing=False)
    world.compared(repairing=False)
    return persons


def table(client: Browser, address: str) -> list[list[str]]:
    text = client.get(f"/krayin-sync/{address}").text
    rows = re.findall(r"<tr>(<td.*?)</tr>", text, re.DOTALL)
    return [
        [re.sub(r"<[^>]+>|\s+", " ", cell).strip() for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)]
        for row in rows
    ]


def test_each_comparison_stands_against_the_one_before(around: PageContext, compared: list[int]) -> None:
    rows = table(browser(around), "comparisons/test")
    # New, still there, gone; the newest first.
    assert [row[3:6] for row in rows] == [["0", "2", "0"], ["1", "1", "1"], ["2", "0", "0"]]
    assert ["% of 4 contacts" in row[2] for row in rows] == [True] * 3


def test_differences_are_those_that_are_new_there_still_or_gone(
    around: PageContext, world: World, compared: list[int]
) -> None:
    client = browser(around)
    assert table(client, "differences/test?change=new") == []
    rename(world, compared[0], "Ada 0")
    rename(world, compared[3], "Dame")
    world.compared(repairing=False)
    named = {
        change: sorted(row[4] for row in table(client, f"differences/test?change={change}&class=changed"))
        for change in ("new", "still", "gone")
    }
    assert named == {"new": ["Dame"], "still": ["Baroness"], "gone": ["=Countess"]}
    assert table(client, "differences/test?change=still&side=ours") == []


def downloaded(client: Browser, ending: str, query: str = "") -> bytes:
    answer = client.get(f"/krayin-sync/differences/test/differences.{ending}{query}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == f'attachment; filename="test-differences.{ending}"'
    assert "no-store" in answer.headers["cache-control"]
    return answer.content


def test_who_may_see_values_downloads_them(around: PageContext, compared: list[int]) -> None:
    client = browser(around)
    sheet: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(downloaded(client, "csv").decode())))
    assert [(one["difference"], one["chatwoot"], one["krayin"]) for one in sheet] == [
        ("Krayin's person has a salesperson's own name", "Ada 0", "'=Countess"),
        ("Krayin's person has a salesperson's own name", "Ada 2", "Baroness"),
    ]  # fmt: skip
    parquet = pq.read_table(io.BytesIO(downloaded(client, "parquet"))).to_pylist()
    assert [one["krayin"] for one in parquet] == ["=Countess", "Baroness"]
    assert parquet[0]["first_seen"].tzinfo is not None
    book = zipped(downloaded(client, "xlsx"))
    assert "=Countess" in book["xl/worksheets/sheet1.xml"]
    assert "<f>" not in book["xl/worksheets/sheet1.xml"]
    assert len(downloaded(client, "csv", "?class=missing").splitlines()) == 1


@pytest.mark.parametrize("ending", ["csv", "parquet", "xlsx"])
def test_who_may_not_gets_ids_only(around: PageContext, compared: list[int], ending: str) -> None:
    content = downloaded(browser(around, "vic"), ending)
    text = "".join(zipped(content).values()) if ending == "xlsx" else content.decode("latin-1")
    assert [word for word in ("Countess", "Baroness", "Ada 0") if word in text] == []
    assert "contact_id" in text


def zipped(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        return {name: book.read(name).decode() for name in book.namelist()}
