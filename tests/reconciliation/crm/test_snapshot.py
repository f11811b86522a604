"""Reading a list of Krayin whole while its rows come and go."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from krayin.records import Page
from reconciliation.crm import snapshot
from reconciliation.crm.fields import Listing
from reconciliation.crm.snapshot import RecordSnapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import psycopg

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    id: int
    updated_at: datetime | None
    created_at: datetime | None = None


@dataclass
class Crm:
    """A list of a CRM; after `meanwhile` pages something happens to it."""

    rows: list[Row]
    meanwhile: dict[int, Callable[[Crm], None]] = field(default_factory=dict)
    pages: int = 0
    asked: list[int] = field(default_factory=list)

    def add(self, number: int = 1) -> None:
        for _ in range(number):
            last = max(row.id for row in self.rows)
            self.rows.append(Row(last + 1, START + timedelta(days=last)))

    def delete(self, *ids: int) -> None:
        self.rows = [row for row in self.rows if row.id not in ids]

    def page(self, _: type[Any], number: int, limit: int, sort: str, order: str) -> Page[Row]:
        rows = sorted(self.rows, key=lambda row: getattr(row, sort), reverse=order == "desc")
        page = Page(
            rows=tuple(rows[(number - 1) * limit : number * limit]),
            current_page=number,
            last_page=max(1, -(-len(rows) // limit)),
            total=len(rows),
        )
        if limit > 1:
            self.pages += 1
            self.meanwhile.get(self.pages, lambda _: None)(self)
        return page

    def by_ids(self, _: type[Any], ids: Iterable[int]) -> list[Row]:
        wanted = sorted(ids)
        self.asked += wanted
        return [row for row in self.rows if row.id in wanted]

    def listing(self) -> Listing[Row]:
        return Listing("person", lambda row: {"id": row.id}, lambda *_: ())


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "FULL_PAGE", 3)
    monkeypatch.setattr(snapshot, "NEWEST_PAGE", 2)
    monkeypatch.setattr(snapshot, "LARGEST_GAP", 4)


@pytest.fixture
def target(sync_db: psycopg.Connection) -> int:
    row = sync_db.execute("INSERT INTO krayin_sync.krayin_target (base_url) VALUES ('http://k') RETURNING id")
    return int(cast("Any", row.fetchone())[0])


def crm(*ids: int) -> Crm:
    return Crm([Row(one, START + timedelta(days=one)) for one in ids or range(1, 13)])


def reader(sync_db: psycopg.Connection, target: int, one: Crm) -> RecordSnapshot[Row]:
    return RecordSnapshot(sync_db, cast("Any", one), target, one.listing())


def known(sync_db: psycopg.Connection) -> set[int]:
    return {row[0] for row in sync_db.execute("SELECT crm_id FROM krayin_sync.crm_snapshot")}


def delete_and_add(one: Crm) -> None:
    one.delete(2)
    one.add()


def delete_many_and_add_more(one: Crm) -> None:
    one.delete(1, 2, 3, 4)
    one.add(6)


def delete_the_first(one: Crm) -> None:
    one.delete(1)


@pytest.mark.parametrize("happens", [delete_and_add, delete_many_and_add_more, delete_the_first])
@pytest.mark.parametrize("when", [1, 2, 3, 4])
def test_rows_that_move_between_pages_are_read(
    sync_db: psycopg.Connection, target: int, happens: Callable[[Crm], None], when: int
) -> None:
    there = crm()
    there.meanwhile[when] = happens
    reader(sync_db, target, there).refresh()
    # What came after the last page is for the next reading.
    assert known(sync_db) >= {row.id for row in there.rows if row.id <= 12}


def test_rows_that_move_across_a_wide_gap_are_read(sync_db: psycopg.Connection, target: int) -> None:
    there = crm(1, 2, 3, 40, 50, 60, 70)
    there.meanwhile[1] = delete_and_add
    reader(sync_db, target, there).refresh()
    assert known(sync_db) >= {1, 3, 40, 50, 60, 70, 71}
    assert there.asked == []


def test_a_quiet_list_costs_a_call_a_page(sync_db: psycopg.Connection, target: int) -> None:
    there = crm()
    reader(sync_db, target, there).refresh()
    assert (there.pages, there.asked) == (4, [])
    sparse = crm(*range(1, 24, 2))
    reader(sync_db, target, sparse).read_fully()
    assert (sparse.pages, sparse.asked) == (4, [6, 12, 18])


def test_a_reading_that_was_cut_short_goes_on_without_a_gap(sync_db: psycopg.Connection, target: int) -> None:
    there = crm()

    def die(_: Crm) -> None:
        raise TimeoutError

    there.meanwhile[3] = die
    with pytest.raises(TimeoutError):
        reader(sync_db, target, there).refresh()
    delete_and_add(there)
    reader(sync_db, target, there).refresh()
    assert known(sync_db) >= {row.id for row in there.rows}


def test_rows_that_move_while_the_newest_are_read_are_read(sync_db: psycopg.Connection, target: int) -> None:
    there = crm()
    reader(sync_db, target, there).refresh()
    there.add(10)
    there.meanwhile[there.pages + 2] = lambda one: one.delete(22)
    reader(sync_db, target, there).refresh()
    assert known(sync_db) >= {row.id for row in there.rows}


def test_a_long_list_read_into_an_empty_table_is_not_gone_through_for_each_key(
    sync_db: psycopg.Connection, target: int
) -> None:
    # Statistics that say "empty", as an administrator's VACUUM leaves them.
    sync_db.execute("VACUUM ANALYZE krayin_sync.crm_snapshot")
    one = crm(*range(1, 1201))
    listing: Listing[Row] = Listing("person", lambda row: {"id": row.id}, lambda row, _: (f"email:{row.id}",))
    RecordSnapshot(sync_db, cast("Any", one), target, listing).refresh()
    sync_db.execute("SELECT pg_stat_force_next_flush()")
    row = sync_db.execute(
        "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'crm_snapshot'"
    ).fetchone()
    assert row is not None
    assert known(sync_db) == set(range(1, 1201))
    assert row[0] < 20 * 1200
