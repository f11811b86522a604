"""Contacts, read through Chatwoot's REST API."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from chatwoot.api import rows as api_rows
from chatwoot.api.pages import DAY, PagedList, after_day, no_stop, read_all
from chatwoot.api.rows import is_before, is_within, moment
from chatwoot.api.scope import MANY
from chatwoot.api.spool import Spool
from chatwoot.records import Contact, OutOfScope
from chatwoot.source import ByIds, ChangedSince, Everything, ListedIds, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from chatwoot.api.rows import Json
    from chatwoot.api.scope import ApiScope
    from chatwoot.api.session import ApiSession
    from chatwoot.records import BrokenRow
    from chatwoot.source import Selection, SourceFilter, Watermark

PAGE = 15
LINEAGE = "chatwoot-api"
"""The lineage of the API's marks: they say nothing to a database, nor a database's to the API."""
OVERLAP = timedelta(minutes=5)
"""How long before the last reading a next one begins: what was committed late is seen all the same."""
# Rows of one moment come in any order, page by page another: a second order shows the rest.
_ORDERS = ("created_at", "name", "-created_at")
# Two or three within a second happen to come together.
_TIED = 4


def tells_since(watermark: Watermark) -> bool:
    """Tell whether a watermark says something to the API."""
    return watermark.lineage == LINEAGE


def cutoff(selection: Selection) -> datetime | None:
    """Return since when a selection asks for changes, None where it does not or that cannot be told."""
    if isinstance(selection, ChangedSince) and tells_since(selection.watermark):
        return selection.watermark.read_at - OVERLAP
    return None


@dataclass(slots=True)
class ApiContacts:
    """Reads the contacts of one account, and remembers what an earlier integration noted of them.

    Attributes:
        session: the account's API.
        read_at: when the reading began by Chatwoot's clock.
        short: takes what says that a list was not read whole.
        listed: the list of all; its `count` is how many there are, as it said last.
    """

    session: ApiSession
    read_at: datetime
    short: list[str]
    listed: PagedList = field(init=False)
    _earlier: Spool = field(default_factory=Spool)
    _all_seen: bool = False

    def __post_init__(self) -> None:
        self.listed = PagedList(self.session, "/contacts", PAGE, "count")

    def close(self) -> None:
        """Forget what was remembered."""
        self._earlier.close()

    def rows(
        self, scope: SourceFilter, selection: Selection, chunk: int, judge: ApiScope
    ) -> Iterator[list[Contact | BrokenRow | OutOfScope]]:
        """Yield the selected contacts by id, in lists of at most `chunk`, none empty.

        Lists show contacts with an e-mail, phone or identifier only; `ByIds` finds the others too. `judge`
        tells which are in scope by its rule.
        """
        reads_all = isinstance(selection, Everything | ChangedSince) and cutoff(selection) is None
        with Spool() as spool:
            self._spool(spool, selection)
            many = len(spool) >= MANY
            for rows in spool.chunks(chunk):
                self._remember(rows)
                found: list[Contact | BrokenRow | OutOfScope] = []
                for row in rows:
                    inboxes = {one.inbox_id for one in api_rows.inboxes_of(row)}
                    if scope.inboxes is not None and scope.inboxes.isdisjoint(inboxes):
                        continue
                    contact = api_rows.contact(row, self.session.account_id)
                    if judge.holds(scope, contact, many=many):
                        if isinstance(contact, Contact):
                            contact = judge.completed(scope, contact, many=many)
                        found.append(contact)
                    elif not reads_all:
                        found.append(OutOfScope(row["id"]))
                if found:
                    yield found
        if reads_all:
            self._all_seen = True

    def labelled(self, label: str) -> set[int]:
        """Return the ids of the contacts with a label, as far as lists show them."""
        listed = PagedList(self.session, "/contacts", PAGE, "count")
        asked = {"labels[]": label}
        pages = read_all(
            lambda order: listed.walk(sort=order, **asked), _ORDERS, f"contacts labelled {label}", self.short
        )
        return {row["id"] for rows in pages for row in rows}

    def addressed(self, emails: Sequence[str], phones: Sequence[str]) -> set[int]:
        """Return the ids of the contacts with one of these e-mails (lower case) or phones."""
        # They go out in bodies: addresses of calls are kept in logs.
        asked = [("email", "equal_to", one) for one in emails]
        asked += [("phone_number", "equal_to", one) for one in phones]
        known = {*emails, *phones}
        return {
            row["id"]
            for condition in asked
            for row in next(self.listed.filtered(condition).from_the_start(no_stop), [])
            if {(row.get("email") or "").lower(), row.get("phone_number")} & known
        }

    def newest(self, scope: SourceFilter, number: int) -> set[int]:
        """Return the ids of the contacts that were made last, of those that lists show."""
        found: set[int] = set()
        for rows in self.listed.walk(sort="-created_at").from_the_start(lambda _: len(found) >= number):
            for row in rows:
                inboxes = {one.inbox_id for one in api_rows.inboxes_of(row)}
                if scope.inboxes is None or not scope.inboxes.isdisjoint(inboxes):
                    found.add(row["id"])
        return set(sorted(found)[-number:])

    def earlier_ids(self, contact_id: int) -> tuple[str, ...]:
        """Return the texts in which an earlier integration noted a contact's CRM ids."""
        known = self._earlier.of([contact_id])
        if not known and not self._all_seen:
            self._remember([self.session.contact(contact_id) or {"id": contact_id}])
            known = self._earlier.of([contact_id])
        return tuple(known[0]["texts"]) if known else ()

    def _spool(self, spool: Spool, selection: Selection) -> None:
        match selection:
            case ByIds(ids):
                self._spool_ids(spool, sorted(ids))
            case ListedIds(chunks):
                self._spool_listed(spool, chunks)
            case Window(start, end):
                for key in ("created_at", "last_activity_at"):
                    for rows in self._filtered(key, start, end):
                        spool.put(row for row in rows if is_within(key, start, end, row))
            case _ if (start_at := cutoff(selection)) is not None:
                for key in ("created_at", "last_activity_at"):
                    for rows in self._newest(key, start_at):
                        spool.put(row for row in rows if not is_before(key, start_at, row))
            case _:
                self._spool_all(spool)

    def _spool_ids(self, spool: Spool, ids: Iterable[int]) -> None:
        for contact_id in ids:
            found = self.session.contact(contact_id)
            if found is not None:
                spool.put([found])

    def _spool_listed(self, spool: Spool, chunks: Callable[[], Iterator[Sequence[int]]]) -> None:
        """Ask for each of few contacts, and list all of them where that takes fewer calls."""
        with Spool() as wanted:
            for keys in chunks():
                wanted.put({"id": key} for key in keys)
            count = self.listed.walk(sort="created_at").fetch(1).count or 0
            if len(wanted) > count / PAGE:
                with Spool() as everything:
                    self._spool_all(everything)
                    for rows in everything.chunks(PAGE):
                        kept = {one["id"] for one in wanted.of(row["id"] for row in rows)}
                        spool.put(row for row in rows if row["id"] in kept)
            for some in wanted.chunks(PAGE):
                ids = [one["id"] for one in some]
                listed = {row["id"] for row in spool.of(ids)}
                self._spool_ids(spool, (number for number in ids if number not in listed))

    def _spool_all(self, spool: Spool) -> None:
        for rows in read_all(lambda order: self.listed.walk(sort=order), _ORDERS, "contacts", self.short):
            spool.put(rows)

    def _newest(self, key: str, start: datetime) -> Iterator[list[Json]]:
        """Yield pages with all contacts whose `key` is not before `start`, and some others."""
        before: list[Json] = []
        is_tied = False
        for rows in self.listed.walk(sort=f"-{key}").from_the_start(partial(is_before, key, start)):
            is_tied = is_tied or _tied(key, before, rows)
            before = rows
            yield rows
        if is_tied:
            yield from self._filtered(key, start, self.read_at + DAY)

    def _filtered(self, key: str, start: datetime, end: datetime) -> Iterator[list[Json]]:
        until = (key, "is_less_than", (end.astimezone(UTC) + DAY).date().isoformat())
        yield from read_all(
            lambda order: self.listed.filtered(after_day(key, start), until, sort=order),
            _ORDERS,
            "contacts",
            self.short,
        )

    def _remember(self, rows: list[Json]) -> None:
        self._earlier.put(
            {"id": row["id"], "texts": api_rows.earlier_ids_of(api_rows.inboxes_of(row))} for row in rows
        )


def _tied(key: str, before: list[Json], rows: list[Json]) -> bool:
    """Tell whether several rows of one moment stand on both sides of a page's edge, as an import leaves them.

    In which order they come is then another matter for each page: some come twice and others never.
    """
    if not before or not rows:
        return False
    at = moment(rows[0].get(key))
    if moment(before[-1].get(key)) != at:
        return False
    return sum(moment(row.get(key)) == at for row in (*before, *rows)) >= _TIED
