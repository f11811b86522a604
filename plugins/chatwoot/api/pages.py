"""Walks through lists whose pages shift while they are read.

Chatwoot cuts lists by number of page, not by a mark in the list: a row that appears or disappears moves
all rows behind it. Each walk goes in the direction in which such a move shows a row twice rather than
no_stop, and goes back where the total tells that rows moved the other way. Rows may come several times.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

from chatwoot.api.rows import listed
from chatwoot.api.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from chatwoot.api.session import ApiSession

log = logging.getLogger(__name__)

Row = dict[str, Any]
Condition = tuple[str, str, object]
DAY = timedelta(days=1)
# Where rows come faster than they are read, going back must end some time.
_MOST_RETURNS = 200


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one page and how many rows the whole list has now, None if that is not said."""

    rows: list[Row]
    count: int | None


@dataclass(slots=True)
class PageWalker:
    """A walk over `fetch` (page numbers from 1); `count` is the latest total.

    `size` is how many rows a page has, at most: whoever runs Chatwoot may set fewer, which shows when the
    first page has fewer while the list has more.
    """

    fetch: Callable[[int], Page]
    size: int
    count: int | None = None

    def from_the_end(self) -> Iterator[list[Row]]:
        """Yield all pages of a list ordered by what never changes, oldest first, from the last to the first.

        What is added stands behind, what is deleted draws rows towards the pages still to be read. Rows
        that appear in the middle push others onto pages already read: these are read again.
        """
        first = self._read(1)
        if first.count is None:
            yield first.rows
            yield from self._until_empty(2 if first.rows else None)
            # Without totals nothing tells of a move: what a second walk sees anew had moved.
            yield from self._until_empty(1 if first.rows else None)
            return
        known, page, returns = first.count, max(1, ceil(first.count / self.size)), 0
        while page >= 1:
            answer = self._read(page)
            yield answer.rows
            total = known if answer.count is None else answer.count
            grown, known = total - known, total
            if grown > 0 and returns < _MOST_RETURNS:
                returns += 1
                page = min(page + ceil(grown / self.size), max(1, ceil(known / self.size)) + 1)
            else:
                page -= 1

    def from_the_start(self, is_old: Callable[[Row], bool]) -> Iterator[list[Row]]:
        """Yield the pages of a list ordered newest first, up to the one whose last row `is_old`.

        What becomes new moves ahead and pushes rows towards the pages still to be read. Rows that
        disappear draw others onto pages already read: these are read again, also when this page is empty
        or old for that very reason.
        """
        known, page, returns = None, 1, 0
        latest: list[Row] = []
        while True:
            answer = self._read(page)
            yield answer.rows
            if answer.count is None and answer.rows == latest:
                return
            latest = answer.rows
            shrunk = known - answer.count if known is not None and answer.count is not None else 0
            known = answer.count
            is_last = known is not None and page >= ceil(known / self.size)
            if shrunk > 0 and page > 1 and returns < _MOST_RETURNS:
                returns += 1
                page = max(1, page - ceil(shrunk / self.size))
            elif is_last or not answer.rows or is_old(answer.rows[-1]):
                return
            else:
                page += 1

    def _until_empty(self, page: int | None) -> Iterator[list[Row]]:
        latest: list[Row] = []
        while page is not None:
            rows = self._read(page).rows
            # The same again: whoever answers takes no notice of the page's number.
            if not rows or rows == latest:
                return
            yield rows
            latest = rows
            page += 1

    def _read(self, page: int) -> Page:
        answer = self.fetch(page)
        self.count = answer.count
        shown = len(answer.rows)
        if page == 1 and answer.count is not None and 0 < shown < min(self.size, answer.count):
            self.size = shown
        return answer


@dataclass(slots=True)
class PagedList:
    """A list of an account's records, whole or filtered.

    Attributes:
        session: the account's API.
        path: what answers the list; `<path>/filter` answers what meets conditions.
        size: how many rows a page has.
        total: the name under which the list's `meta` says how many rows there are.
        count: how many rows the whole list has, as it said last.
    """

    session: ApiSession
    path: str
    size: int
    total: str
    count: int | None = None

    def walk(self, **parameters: Any) -> PageWalker:
        """Return a walk over the list."""

        def fetch(page: int) -> Page:
            answer = self.page(self.session.get(self.path, **parameters, page=page))
            self.count = answer.count
            return answer

        return PageWalker(fetch, self.size)

    def filtered(self, *conditions: Condition, **parameters: Any) -> PageWalker:
        """Return a walk over the rows that meet all conditions: key, operator and value each."""
        body = filter_body(*conditions)
        path = f"{self.path}/filter"
        return PageWalker(
            lambda page: self.page(self.session.send("POST", path, body, **parameters, page=page)), self.size
        )

    def page(self, answer: Any) -> Page:
        """Return the page in an answer.

        Raises:
            ChatwootApiUnreachable: it is none.
        """
        # The list of conversations wraps what their filter does not.
        body = answer.get("data", answer) if isinstance(answer, dict) else None
        meta = body.get("meta") if isinstance(body, dict) else None
        count = meta.get(self.total) if isinstance(meta, dict) else None
        return Page(listed(body, self.session.where), count if isinstance(count, int) else None)


def filter_body(*conditions: Condition) -> Row:
    """Return the body of a filter; all conditions must hold."""
    last = len(conditions) - 1
    return {
        "payload": [
            {
                "attribute_key": key,
                "filter_operator": operator,
                "values": [value],
                "query_operator": "AND" if position < last else None,
            }
            for position, (key, operator, value) in enumerate(conditions)
        ]
    }


def after_day(key: str, start: datetime) -> Condition:
    """Return a condition for times from the day (UTC) of `start` on.

    Chatwoot compares dates only, and leaves out the day it is given.
    """
    return key, "is_greater_than", (start.astimezone(UTC) - DAY).date().isoformat()


def read_all(
    walk_by: Callable[[str], PageWalker], orders: Sequence[str], rows_are: str, short: list[str]
) -> Iterator[list[Row]]:
    """Yield the pages of a list, in further orders too as long as it shows fewer rows than it has.

    The first of `orders` is by what never changes, oldest first. Where rows are missing at the end all the
    same, a clause that says so is added to `short`; `rows_are` names the rows in it.
    """
    with Spool() as seen:
        for order in orders:
            walk = walk_by(order)
            pages = walk.from_the_end() if order == orders[0] else walk.from_the_start(no_stop)
            for rows in pages:
                seen.put({"id": row["id"]} for row in rows)
                yield rows
            if walk.count is None or len(seen) >= walk.count:
                return
        short.append(f"its API says it has {walk.count} {rows_are} and showed {len(seen)}")
        log.warning("Chatwoot changes while it is read, or hides rows: %s.", short[-1])


def no_stop(_: Row) -> bool:
    """Tell of no row that it is old: a walk goes to the end."""
    return False
