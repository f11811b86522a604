"""What Krayin showed last of its persons, kept so that matching costs no call per contact."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb
from statements import statement

from reconciliation.fingerprint import fingerprint
from reconciliation.mapping import natural_keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psycopg
    from krayin.client import KrayinClient
    from krayin.records import Person

log = logging.getLogger(__name__)

# Krayin needs about a second for a thousand persons; its time-outs are at thirty.
FULL_PAGE = 500
NEWEST_PAGE = 100
# updated_at has whole seconds and is stamped before the commit.
MARGIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class _Mark:
    next_page: int = 1
    complete_at: datetime | None = None
    high_mark: datetime | None = None
    settled_mark: datetime | None = None

    @property
    def since(self) -> datetime | None:
        """The stamp from which on rows may not have been seen yet."""
        return self.high_mark - MARGIN if self.high_mark is not None else None

    def is_known(self, stamp: datetime) -> bool:
        """Tell whether all rows with this stamp or an older one have been seen."""
        return (self.since is not None and stamp < self.since) or (
            self.settled_mark is not None and stamp <= self.settled_mark
        )


def person_facts(person: Person) -> dict[str, Any]:
    """Return what is kept of a person: the fields that matching and forecasts look at."""
    return {
        "name": person.name,
        "emails": [row.value for row in person.emails],
        "phones": [row.value for row in person.contact_numbers],
        "job_title": person.job_title,
        "organization_id": person.organization_id,
        "organization_name": person.organization_name,
        "owner_id": person.owner_id,
    }


def newest_pages() -> Iterator[tuple[int, int]]:
    """Yield number and size of the pages by which the newest rows are read: a small one, then large ones."""
    yield 1, NEWEST_PAGE
    # The rows of the small page come again: pages are counted in their own size.
    yield from ((number, FULL_PAGE) for number in count(1))


class PersonSnapshot:
    """Krayin's persons as they were read last.

    The first `refresh` reads all of them in pages by id and can be interrupted; later ones read
    the newest changed first and stop where the last reading began.
    """

    def __init__(
        self, connection: psycopg.Connection, client: KrayinClient, target_id: int, phone_region: str | None
    ) -> None:
        """Use `connection` (autocommit) and `client`; numbers without country code are of `phone_region`."""
        self._connection = connection
        self._client = client
        self._target_id = target_id
        self._phone_region = phone_region

    def refresh(self) -> int:
        """Bring the snapshot up to date and return how many persons were read."""
        mark = self._mark()
        return self._read_newest(mark) if mark.complete_at else self._read_all(mark)

    def record(self, persons: Sequence[Person]) -> None:
        """Keep what Krayin shows of `persons`."""
        if not persons:
            return
        facts = [person_facts(person) for person in persons]
        ids = [person.id for person in persons]
        keys = [
            (key, person.id)
            for person, fact in zip(persons, facts, strict=True)
            for key in natural_keys(fact["emails"], fact["phones"], self._phone_region)
        ]
        scope = {"target_id": self._target_id, "crm_kind": "person"}
        with self._connection.transaction():
            self._connection.execute(
                statement("snapshot/record"),
                {
                    **scope,
                    "crm_ids": ids,
                    "updated_ats": [person.updated_at for person in persons],
                    "hashes": [fingerprint(fact) for fact in facts],
                    "facts": [Jsonb(fact) for fact in facts],
                },
            )
            self._connection.execute(statement("snapshot/keys_forget"), {**scope, "crm_ids": ids})
            self._connection.execute(
                statement("snapshot/keys_record"),
                {**scope, "keys": [key for key, _ in keys], "crm_ids": [crm_id for _, crm_id in keys]},
            )

    def forget(self, person_ids: Sequence[int]) -> None:
        """Forget persons that Krayin does not have any more."""
        self._connection.execute(
            statement("snapshot/forget"),
            {"target_id": self._target_id, "crm_kind": "person", "crm_ids": list(person_ids)},
        )

    def _read_all(self, mark: _Mark) -> int:
        read = 0
        page_number = mark.next_page
        high_mark = mark.high_mark
        if high_mark is None:
            # Later refreshes start here, so that what changes during this reading is read again.
            newest = self._client.persons_page(1, 1, "updated_at", "desc").rows
            if not newest:
                self._write_mark(1, None, complete=True)
                return 0
            high_mark = newest[0].updated_at
        total: int | None = None
        while True:
            page = self._client.persons_page(page_number, FULL_PAGE)
            if total is not None and page.total < total and page_number > 1:
                # Somebody deleted persons meanwhile: rows moved to the page before.
                total, page_number = page.total, page_number - 1
                continue
            total = page.total
            self.record(page.rows)
            read += len(page.rows)
            complete = page_number >= page.last_page
            self._write_mark(page_number if complete else page_number + 1, high_mark, complete=complete)
            log.info("Read %d of %d Krayin persons", min(page_number * FULL_PAGE, total), total)
            if complete:
                return read
            page_number += 1

    def _read_newest(self, mark: _Mark) -> int:
        read = 0
        newest = mark.high_mark
        for number, limit in newest_pages():
            page = self._client.persons_page(number, limit, "updated_at", "desc")
            self.record(page.rows)
            read += len(page.rows)
            stamps = [person.updated_at for person in page.rows if person.updated_at is not None]
            newest = max([*stamps, *([newest] if newest else [])], default=None)
            if number >= page.last_page or any(mark.is_known(stamp) for stamp in stamps):
                break
        self._write_mark(mark.next_page, newest, complete=True)
        return read

    def next_refresh_calls(self) -> int:
        """Return how many calls the next `refresh` takes if nobody changes a person until then.

        Only for a snapshot that has been read once.
        """
        mark = self._mark()
        row = self._connection.execute(
            statement("snapshot/newest"),
            {
                "target_id": self._target_id,
                "crm_kind": "person",
                "since": mark.since,
                "settled_mark": mark.settled_mark,
            },
        ).fetchone()
        assert row is not None
        total, unknown = row
        for calls, (number, limit) in enumerate(newest_pages(), 1):
            if number * limit >= total or number * limit > unknown:
                return calls
        raise AssertionError

    def _mark(self) -> _Mark:
        row = self._connection.execute(
            statement("snapshot/mark_read"), {"target_id": self._target_id, "crm_kind": "person"}
        ).fetchone()
        return _Mark(*row) if row else _Mark()

    def _write_mark(self, next_page: int, high_mark: datetime | None, *, complete: bool) -> None:
        self._connection.execute(
            statement("snapshot/mark_write"),
            {
                "target_id": self._target_id,
                "crm_kind": "person",
                "next_page": next_page,
                "complete": complete,
                "high_mark": high_mark,
                "margin": MARGIN,
            },
        )
