"""What a plan costs: the writes of its operations, and the bulk reads of their batches."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, TypeVar

from statements import statement

from reconciliation.crm.person_deletions import deletion_seconds
from reconciliation.crm.reads import USABLE
from reconciliation.store.ledger import LOWEST_LANE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    import psycopg
    from krayin.permits import Lane

    from reconciliation.store.ledger import Operation
    from reconciliation.store.mapping_row import MappingRow

PERSONS = "persons"
LEADS = "leads"
# The leads that hang on a person, found by the person's id.
LEADS_OF = "leads_of"
ORGANIZATIONS = "organizations"
# What is to be deleted, looked at to see that it is still ours.
DOOMED_PERSONS = "doomed_persons"
DOOMED_LEADS = "doomed_leads"
DOOMED_ACTIVITIES = "doomed_activities"
# Activities of ours that are written over.
ACTIVITIES = "activities"
# Leads that are moved: listed, listed once more to be written over, and looked up.
MOVED_LEADS = "moved_leads"
# The id of an organization that a change of a person has just named, unless it is known by then; asked for
# one by one.
COMPANY = "company"

# The calls of what is read when the first of a batch needs it: a batch is not split for their sake.
LATER = {ACTIVITIES: 1, MOVED_LEADS: 3, COMPANY: 0}

# Seconds of work that are claimed ahead at the pace of the budget.
AHEAD = 10.0
LARGEST_BATCH = 25
# Ids that `lookup-entity` and the lists are asked for in one call.
ENTITIES_PER_CALL = 25
IDS_PER_CALL = 100
# Rows fetched at once from the cursor of the server.
ROWS = 1000


@dataclass(frozen=True, slots=True)
class Expected:
    """What one operation is expected to cost: its writes, and the bulk reads it takes part in."""

    writes: int = 0
    reads: frozenset[str] = frozenset()


Cost = TypeVar("Cost", bound="Expected | Operation")


def contact_reads(
    person: MappingRow | None,
    lead: MappingRow | None,
    *,
    person_differs: bool,
    lead_differs: bool,
    adopts_person: bool,
) -> frozenset[str]:
    """Return the bulk reads that an operation on a contact with these mapping rows takes part in.

    `lead_differs` says that a lead is wanted and is not, or not yet, as it should be.
    The leads found by LEADS_OF may turn out to be read once more as LEADS.
    """
    has_person = person is not None and person.crm_id is not None
    has_lead = lead is not None and lead.crm_id is not None
    reads = set()
    if (has_person and person_differs) or (adopts_person and not has_person):
        reads.add(PERSONS)
    if has_lead and lead_differs:
        reads.add(LEADS)
    if lead_differs and not has_lead and (has_person or adopts_person):
        reads.add(LEADS_OF)
    return frozenset(reads)


def batch_size(requests_per_minute: int) -> int:
    """Return how many operations a worker claims at once."""
    return max(1, min(LARGEST_BATCH, int(requests_per_minute * AHEAD / 60)))


def read_calls(group: Iterable[Cost], with_custom: Collection[str]) -> int:
    """Return the calls of what a group reads at once.

    `with_custom` are the kinds whose records must be looked up besides being listed.
    """
    counts = Counter(what for one in group for what in one.reads)
    return _bulk_calls(counts, with_custom) + sum(LATER.get(what, 0) for what in counts)


def _bulk_calls(counts: Mapping[str, int], with_custom: Collection[str]) -> int:
    calls = 0
    for what, count in counts.items():
        if what in LATER:
            continue
        if what == LEADS or what in with_custom:
            calls += math.ceil(count / ENTITIES_PER_CALL)
        calls += math.ceil(count / IDS_PER_CALL)
    return calls


def groups_of(
    batch: Sequence[Cost], requests_per_minute: int, with_custom: Collection[str]
) -> Iterator[Sequence[Cost]]:
    """Split a batch so that each part can be read and written before what was read is too old."""
    room = max(1, int(requests_per_minute * USABLE / 60))
    start, writes, counts = 0, 0, Counter[str]()
    for place, one in enumerate(batch):
        writes += max(1, one.writes)
        counts.update(one.reads)
        if place > start and writes + _bulk_calls(counts, with_custom) > room:
            yield batch[start:place]
            start, writes, counts = place, max(1, one.writes), Counter(one.reads)
    if batch:
        yield batch[start:]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What carrying out a plan will take, alone and with nothing going wrong.

    `calls` are those to Krayin, `deletions` the persons to be deleted, of whom Krayin allows few an hour.
    """

    calls: int
    deletions: int
    requests_per_minute: int

    def to_json(self, before: int, *, dry_run: bool = False) -> dict[str, int]:
        """Return the numbers for `sync_run.summary`.

        `before` are the calls of planning: made by now, or with `dry_run` still to be made.
        """
        ahead = self.calls + (before if dry_run else 0)
        return {
            "forecast_calls": before + self.calls,
            "forecast_load_calls": self.calls,
            "forecast_seconds": load_seconds(ahead, self.requests_per_minute, self.deletions),
            "requests_per_minute": self.requests_per_minute,
        }


def load_calls(operations: Iterable[Cost], requests_per_minute: int, with_custom: Collection[str]) -> int:
    """Return the calls of carrying out operations in this order: their writes, and what each batch reads."""
    left, size = iter(operations), batch_size(requests_per_minute)
    calls = overwriting = 0
    while batch := list(islice(left, size)):
        written = sum(one.writes for one in batch)
        calls += written
        if any(one.reads for one in batch):
            groups = groups_of(batch, requests_per_minute, with_custom)
            read = sum(read_calls(group, with_custom) for group in groups)
            calls += read
            overwriting += written + read
    # The attributes are read before the first record is written over, and then once a minute.
    return calls + math.ceil(overwriting / requests_per_minute)


def load_seconds(calls: int, requests_per_minute: int, deletions: int) -> int:
    """Return how long so many calls take, among them so many deletions of persons."""
    return round(max(calls * 60 / requests_per_minute, deletion_seconds(deletions)))


def forecast(  # noqa: PLR0913 - whose plan, and how it will be carried out
    connection: psycopg.Connection,
    target_id: int,
    sync_name: str,
    requests_per_minute: int,
    with_custom: Collection[str],
    *,
    lowest: Lane = LOWEST_LANE,
) -> Forecast:
    """Return what carrying out everything takes that a sync has planned, however long that queue is.

    Counted with it is what waits for a contact or organization that is about to be made. What lies in a
    lane below `lowest` is left to other runs.
    """
    queue = {"target_id": target_id, "sync_name": sync_name, "lowest_lane": int(lowest)}
    with connection.transaction(), connection.cursor("planned_queue") as cursor:
        row = connection.execute(statement("operation/queue_others"), queue).fetchone()
        deletions, companies = row or (0, 0)
        cursor.itersize = ROWS
        cursor.execute(statement("operation/queue"), queue)
        alike = (repeat(Expected(writes, frozenset(reads)), number) for writes, reads, number in cursor)
        calls = load_calls(chain.from_iterable(alike), requests_per_minute, with_custom)
    return Forecast(calls + companies, deletions, requests_per_minute)
