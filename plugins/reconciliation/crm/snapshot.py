"""What Krayin's lists showed last, kept so that matching and comparing cost no call per record."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, Generic

from krayin.records import Shown
from psycopg.types.json import Jsonb
from statements import statement

from reconciliation.crm.fields import RECORDS, Listing
from reconciliation.crm.lineage import Lineage
from reconciliation.model.hashing import stable_hash

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psycopg
    from krayin.client import KrayinClient
    from krayin.records import Page

log = logging.getLogger(__name__)

# Krayin needs about a second for a thousand persons; its time-outs are at thirty.
FULL_PAGE = 500
NEWEST_PAGE = 100
# Two pages by id that leave out more ids than these are read again instead of asking for the ids.
LARGEST_GAP = 100
# updated_at has whole seconds and is stamped before the commit.
MARGIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class _Mark:
    next_page: int = 1
    complete_at: datetime | None = None
    watermark: datetime | None = None
    settled_mark: datetime | None = None
    total: int | None = None

    @property
    def since(self) -> datetime | None:
        """The stamp from which on rows may not have been seen yet."""
        return self.watermark - MARGIN if self.watermark is not None else None

    def is_known(self, stamp: datetime) -> bool:
        """Tell whether all rows with this stamp or an older one have been seen."""
        return (self.since is not None and stamp < self.since) or (
            self.settled_mark is not None and stamp <= self.settled_mark
        )


@dataclass(slots=True)
class _PageBoundaries:
    """Where the pages of a list by id meet.

    A row deleted on an earlier page moves all later ones up, so that the first of the next page is passed
    over; the list's total does not tell when others are added meanwhile. It is among the ids between two
    pages: `left_out` are those to ask for.
    """

    left_out: list[int] = field(default_factory=list)
    _last: int | None = None
    _wide: tuple[int, int] | None = None

    def fit(self, ids: Sequence[int]) -> bool:
        """Take up the ids of the next page (ascending); False when the page before is to be read again."""
        if not ids:
            return True
        if self._last is not None and ids[0] > self._last + 1:
            if ids[0] - self._last - 1 <= LARGEST_GAP:
                self.left_out.extend(range(self._last + 1, ids[0]))
            elif self._wide != (self._last, ids[0]):
                # Twice the same on both sides: nothing lies between.
                self._wide = (self._last, ids[0])
                return False
        self._last = ids[-1]
        return True


def newest_pages() -> Iterator[tuple[int, int]]:
    """Yield number and size of the pages by which the newest rows are read: a small one, then large ones."""
    yield 1, NEWEST_PAGE
    # The rows of the small page come again: pages are counted in their own size.
    yield from ((number, FULL_PAGE) for number in count(1))


class RecordSnapshot(Generic[Shown]):
    """The records of one of Krayin's lists as they were read last.

    The first `refresh` reads all of them in pages by id and can be interrupted; later ones read
    the newest changed first and stop where the last reading began.
    """

    def __init__(
        self,
        connection: psycopg.Connection,
        client: KrayinClient,
        target_id: int,
        listing: Listing[Shown],
        *,
        is_doubted: bool = False,
    ) -> None:
        """Use `connection` (autocommit) and `client`; `listing` says which list and what is kept of it.

        What is read is looked at for signs of another Krayin, unless that `is_doubted` already.
        """
        self._lineage = None if is_doubted else Lineage(connection, client, target_id)
        self._connection = connection
        self._client = client
        self._listing = listing
        self._kind = RECORDS[listing.crm_kind]
        self._recorded, self._analyze_at = 0, FULL_PAGE
        self._scope: dict[str, Any] = {"target_id": target_id, "crm_kind": listing.crm_kind}

    def refresh(self) -> int:
        """Bring the snapshot up to date and return how many records were read.

        Raises:
            AnotherKrayinError: this is not the Krayin we knew.
        """
        mark = self._mark()
        return self._read_newest(mark) if mark.complete_at else self._read_all(mark)

    def read_fully(self) -> datetime:
        """Read every record, whatever is known already; return when that began, by the sync database's clock.

        A record whose `seen_at` is older afterwards was not in the list, or moved between its pages.
        """
        row = self._connection.execute(statement("crm_snapshot/clock")).fetchone()
        assert row is not None
        self._read_all(_Mark())
        began: datetime = row[0]
        return began

    def record(self, records: Sequence[Shown]) -> None:
        """Keep what Krayin shows of `records`."""
        if not records:
            return
        facts = [self._listing.facts(record) for record in records]
        ids = [record.id for record in records]
        keys = [
            (key, record.id)
            for record, fact in zip(records, facts, strict=True)
            for key in self._listing.keys(record, fact)
        ]
        with self._connection.transaction():
            self._execute(
                "crm_snapshot/record",
                crm_ids=ids,
                updated_ats=[record.updated_at for record in records],
                hashes=[stable_hash(fact) for fact in facts],
                facts=[Jsonb(fact) for fact in facts],
            )
            self._execute("crm_snapshot/keys_forget", crm_ids=ids)
            crm_ids = [crm_id for _, crm_id in keys]
            self._execute("crm_snapshot/keys_record", keys=[key for key, _ in keys], crm_ids=crm_ids)
        self._recorded += len(records)
        if self._recorded >= self._analyze_at:
            self._execute("crm_snapshot/analyze")
            self._analyze_at = 2 * self._recorded

    def with_keys(self, keys: Sequence[str]) -> list[int]:
        """Return the ids of the records Krayin showed with one of these keys, in order; no call."""
        return [int(row[0]) for row in self._execute("crm_snapshot/with_keys", keys=list(keys))]

    def anybody_has_an_email(self) -> bool:
        """Return whether a person in Krayin is known to have an e-mail; no call."""
        return self._execute("crm_snapshot/anybody_has_an_email").fetchone() is not None

    def forget(self, crm_ids: Sequence[int]) -> None:
        """Forget records that Krayin does not have any more."""
        self._execute("crm_snapshot/forget", crm_ids=list(crm_ids))

    def _read_all(self, mark: _Mark) -> int:
        read = 0
        # Going on: rows may have moved to the page before since that was read.
        page_number = go_on_at = max(1, mark.next_page - 1)
        watermark = mark.watermark
        if watermark is None:
            # Later refreshes start here, so that what changes during this reading is read again.
            newest = self._client.page(self._kind, 1, 1, "updated_at", "desc")
            if not newest.rows:
                self._look(newest, mark)
                self._write_mark(1, None, newest.total, complete=True)
                return 0
            watermark = newest.rows[0].updated_at
        total: int | None = None
        boundaries = _PageBoundaries()
        while True:
            page = self._client.page(self._kind, page_number, FULL_PAGE, "id", "asc")
            if total is not None and page.total < total and page_number > 1:
                # Somebody deleted persons meanwhile: rows moved to the page before.
                total, page_number = page.total, page_number - 1
                continue
            total = page.total
            self._look(page, mark if page_number >= page.last_page else None)
            if self._listing.is_whole and not boundaries.fit([record.id for record in page.rows]):
                page_number -= 1
                continue
            self.record(page.rows)
            read += len(page.rows)
            complete = page_number >= page.last_page
            if boundaries.left_out and (complete or len(boundaries.left_out) >= LARGEST_GAP):
                self.record(self._client.by_ids(self._kind, boundaries.left_out))
                boundaries.left_out.clear()
            if not boundaries.left_out:
                go_on_at = page_number if complete else page_number + 1
            self._write_mark(go_on_at, watermark, page.total, complete=complete)
            log.info(
                "Read %d of %d Krayin %ss", min(page_number * FULL_PAGE, total), total, self._listing.crm_kind
            )
            if complete:
                return read
            page_number += 1

    def _read_newest(self, mark: _Mark) -> int:
        read = 0
        newest = mark.watermark
        total = 0
        for number, limit in newest_pages():
            page = self._client.page(self._kind, number, limit, "updated_at", "desc")
            if page.total < total and number > 1:
                # Somebody deleted records meanwhile: rows moved to the page before.
                self.record(self._client.page(self._kind, number - 1, limit, "updated_at", "desc").rows)
            total = page.total
            self._look(page, mark if number == 1 else None)
            self.record(page.rows)
            read += len(page.rows)
            stamps = [record.updated_at for record in page.rows if record.updated_at is not None]
            newest = max([*stamps, *([newest] if newest else [])], default=None)
            if number >= page.last_page or any(mark.is_known(stamp) for stamp in stamps):
                break
        self._write_mark(mark.next_page, newest, total, complete=True)
        return read

    def _look(self, page: Page[Shown], before: _Mark | None) -> None:
        """Look for signs of another Krayin.

        `before` is the last reading of the list, given where the page is likely to show the newest record.
        """
        if self._lineage is None:
            return
        self._lineage.shown(self._listing.crm_kind, (), page.rows)
        if before is not None:
            newest = max((record.id for record in page.rows), default=0)
            self._lineage.listed(self._listing.crm_kind, page.total, newest, before.total)

    def _mark(self) -> _Mark:
        row = self._execute("crm_snapshot/mark_read").fetchone()
        return _Mark(*row) if row else _Mark()

    def _write_mark(self, next_page: int, watermark: datetime | None, total: int, *, complete: bool) -> None:
        self._execute(
            "crm_snapshot/mark_write",
            next_page=next_page,
            complete=complete,
            watermark=watermark,
            total=total,
            margin=MARGIN,
        )

    def _execute(self, name: str, **parameters: Any) -> psycopg.Cursor[Any]:
        """Carry out a statement about what is kept of this list."""
        return self._connection.execute(statement(name), {**self._scope, **parameters})
