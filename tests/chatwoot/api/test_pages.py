"""Walks through lists that change under the reader, in every way."""

from __future__ import annotations

from typing import Any

import pytest
from chatwoot.api.pages import Page, PageWalker
from hypothesis import example, given
from hypothesis import strategies as st

SIZE = 3
NEW = 1_000


class Shifting:
    """A list in pages; before each page one change happens: ("add", place), ("delete", place) or nothing."""

    def __init__(
        self, ids: list[int], happenings: list[tuple[str, int] | None], *, counts: bool = True
    ) -> None:
        self.rows = list(ids)
        self.happenings = list(happenings)
        self.counts = counts
        self.pages: list[int] = []
        self.next_id = NEW
        self.deleted: set[int] = set()

    def fetch(self, page: int) -> Page:
        happening = self.happenings.pop(0) if self.happenings and self.pages else None
        if happening is not None:
            kind, place = happening
            if kind == "add":
                self.rows.insert(min(place, len(self.rows)), self.next_id)
                self.next_id += 1
            elif self.rows:
                self.deleted.add(self.rows.pop(place % len(self.rows)))
        self.pages.append(page)
        shown: list[dict[str, Any]] = [{"id": one} for one in self.rows[(page - 1) * SIZE : page * SIZE]]
        return Page(shown, len(self.rows) if self.counts else None)


CHANGES = st.lists(
    st.one_of(st.none(), st.tuples(st.sampled_from(["add", "delete"]), st.integers(0, 40))), max_size=30
)


def seen(pages: Any) -> set[int]:
    return {row["id"] for rows in pages for row in rows}


@given(st.integers(0, 40), CHANGES)
def test_no_row_that_stays_is_missed_from_the_end(number: int, happenings: Any) -> None:
    """Rows come and go anywhere, one between two pages."""
    ids = list(range(number))
    shifting = Shifting(ids, happenings)
    found = seen(PageWalker(shifting.fetch, SIZE).from_the_end())
    assert set(ids) - shifting.deleted <= found


@given(st.integers(0, 40), CHANGES, st.integers(0, 40))
@example(number=4, happenings=[("delete", 0)], old_from=40)
@example(number=9, happenings=[("delete", 0)], old_from=4)
def test_no_row_that_stays_is_missed_from_the_start(number: int, happenings: Any, old_from: int) -> None:
    """The first row drawn onto the page just read, the rest of the list gone or old."""
    ids = list(range(number))
    shifting = Shifting(ids, happenings)
    found = seen(PageWalker(shifting.fetch, SIZE).from_the_start(lambda row: old_from <= row["id"] < NEW))
    assert set(ids[:old_from]) - shifting.deleted <= found


@pytest.mark.parametrize("counts", [True, False])
def test_a_quiet_list_is_read_with_few_calls(counts: bool) -> None:
    shifting = Shifting(list(range(10)), [], counts=counts)
    assert seen(PageWalker(shifting.fetch, SIZE).from_the_end()) == set(range(10))
    assert len(shifting.pages) <= (5 if counts else 11)
    again = Shifting(list(range(10)), [], counts=counts)
    assert seen(PageWalker(again.fetch, SIZE).from_the_start(lambda row: row["id"] >= 4)) == set(range(6))
    assert again.pages == [1, 2]


@pytest.mark.parametrize("place", [0, 10**9])
def test_a_list_that_grows_for_ever_comes_to_an_end(place: int) -> None:
    """At its end, where new rows stand, without a loss; nobody can follow it anywhere else."""
    shifting = Shifting(list(range(30)), [("add", place)] * 100_000)
    found = seen(PageWalker(shifting.fetch, SIZE).from_the_end())
    assert len(shifting.pages) < 2_000
    assert place == 0 or set(range(30)) <= found


@pytest.mark.parametrize("real", [1, 2, 5])
@pytest.mark.parametrize("way", ["end", "start"])
def test_pages_of_another_size_than_expected_hide_nothing(real: int, way: str) -> None:
    """Whoever runs Chatwoot sets how many conversations a page has."""
    ids = list(range(20))

    def fetch(page: int) -> Page:
        return Page([{"id": one} for one in ids[(page - 1) * real : page * real]], len(ids))

    walk = PageWalker(fetch, SIZE)
    assert seen(walk.from_the_end() if way == "end" else walk.from_the_start(lambda _: False)) == set(ids)


@pytest.mark.parametrize("way", ["end", "start"])
def test_who_takes_no_notice_of_page_numbers_is_not_asked_for_ever(way: str) -> None:
    asked: list[int] = []

    def fetch(page: int) -> Page:
        asked.append(page)
        assert len(asked) < 20
        return Page([{"id": 1}, {"id": 2}], None)

    walk = PageWalker(fetch, SIZE)
    assert seen(walk.from_the_end() if way == "end" else walk.from_the_start(lambda _: False)) == {1, 2}
