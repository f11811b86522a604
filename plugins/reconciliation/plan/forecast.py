"""How many calls a plan costs, by the same arithmetic by which it is carried out."""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from reconciliation.crm.person_deletions import deletion_seconds
from reconciliation.crm.reads import USABLE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from reconciliation.sync_database.mapping_row import MappingRow

PERSONS = "persons"
LEADS = "leads"
# The leads that hang on a person, found by the person's id.
LEADS_OF = "leads_of"
ORGANIZATIONS = "organizations"
# What is to be deleted, looked at to see that it is still ours.
DOOMED_PERSONS = "doomed_persons"
DOOMED_LEADS = "doomed_leads"
DOOMED_ACTIVITIES = "doomed_activities"
# The id of an organization that a change of a person has just named, unless it is known by then.
COMPANY = "company"

# What is read to be written over, by the attributes as they are then.
OVERWRITTEN = frozenset({PERSONS, LEADS, ORGANIZATIONS})

# Seconds of work that are claimed ahead at the pace of the budget.
AHEAD = 10.0
LARGEST_BATCH = 25
# Ids that `lookup-entity` and the lists are asked for in one call.
ENTITIES_PER_CALL = 25
IDS_PER_CALL = 100


class Costed(Protocol):
    """What is known of the cost of an operation before it is carried out."""

    @property
    def writes(self) -> int:
        """The writing calls expected."""
        ...

    @property
    def reads(self) -> Collection[str]:
        """The bulk reads it takes part in."""
        ...


@dataclass(frozen=True, slots=True)
class Expected:
    """What one operation is expected to cost.

    `reads` are the bulk reads it takes part in; `company` is the folded name of the organization
    that becomes known with it, so that an address waiting for that may follow.
    """

    writes: int = 0
    reads: frozenset[str] = frozenset()
    company: str | None = None


Cost = TypeVar("Cost", bound=Costed)


def contact_reads(
    person: MappingRow | None,
    lead: MappingRow | None,
    *,
    person_differs: bool,
    lead_differs: bool,
    adopts_person: bool,
) -> frozenset[str]:
    """Return the bulk reads that an operation on a contact with these mapping rows takes part in.

    The leads found by LEADS_OF may turn out to be read once more as LEADS.
    """
    has_person = person is not None and person.crm_id is not None
    has_lead = lead is not None and lead.crm_id is not None
    reads = set()
    if (has_person and person_differs) or (adopts_person and not has_person):
        reads.add(PERSONS)
    if has_lead and lead_differs:
        reads.add(LEADS)
    if not has_lead and (has_person or adopts_person):
        reads.add(LEADS_OF)
    return frozenset(reads)


def batch_size(requests_per_minute: int) -> int:
    """Return how many operations a worker claims at once."""
    return max(1, min(LARGEST_BATCH, int(requests_per_minute * AHEAD / 60)))


def mixed_batches(number: int, operations: int, requests_per_minute: int) -> int:
    """Return among how many batches some of a run's operations are spread, evenly mixed with the others."""
    if not number:
        return 0
    size = batch_size(requests_per_minute)
    batches = max(1, operations) / size
    return math.ceil(batches * (1 - (1 - min(1, number / max(1, operations))) ** min(size, operations)))


def read_calls(group: Iterable[Costed], with_custom: Collection[str]) -> int:
    """Return the calls of the bulk reads for a group that is read at once.

    `with_custom` are the kinds whose records must be looked up besides being listed.
    """
    return _read_calls(Counter(what for one in group for what in one.reads), with_custom)


def _read_calls(counts: Mapping[str, int], with_custom: Collection[str]) -> int:
    calls = 0
    for what, count in counts.items():
        if what == COMPANY:
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
        if place > start and writes + _read_calls(counts, with_custom) > room:
            yield batch[start:place]
            start, writes, counts = place, max(1, one.writes), Counter(one.reads)
    if batch:
        yield batch[start:]


@dataclass(slots=True)
class Queue:
    """The planned operations of a sync in the order in which one worker carries them out.

    `ready` are what neighbours are expected to cost and how many of them there are. `waiting` are the
    operations on organizations that nobody has made yet, by folded name; each follows the operation
    that makes its organization known. `known_companies` are those whose organization is known already.
    """

    ready: Iterable[tuple[Expected, int]]
    waiting: Mapping[str, Expected] = field(default_factory=dict)
    known_companies: Collection[str] = ()

    def calls(self, requests_per_minute: int, with_custom: Collection[str]) -> int:
        """Return the calls of carrying everything out, alone and with nothing going wrong."""
        size = batch_size(requests_per_minute)
        ready = _Runs(self.ready)
        waiting = dict(self.waiting)
        released: deque[Expected] = deque()
        known = set(self.known_companies)
        calls = overwriting = 0
        while True:
            if not released:
                calls += ready.skip_plain(size)
            batch = ready.take(size)
            while released and len(batch) < size:
                batch.append(released.popleft())
            if not batch:
                # The attributes are read before the first record is written over, and then once a minute.
                return calls + math.ceil(overwriting / requests_per_minute)
            for group in groups_of(batch, requests_per_minute, with_custom):
                cost = read_calls(group, with_custom) + sum(one.writes for one in group)
                calls += cost
                overwriting += cost if any(OVERWRITTEN & {*one.reads} for one in group) else 0
            for one in batch:
                if one.company is not None:
                    if COMPANY in one.reads and one.company not in known:
                        calls += lookup_calls(one.company)
                    known.add(one.company)
                    released.extend([waiting.pop(one.company)] if one.company in waiting else [])


class _Runs:
    """Operations in order, of which many in a row cost the same."""

    def __init__(self, runs: Iterable[tuple[Expected, int]]) -> None:
        self._runs = iter(runs)
        self._one, self._left = Expected(), 0

    def _more(self) -> bool:
        while not self._left:
            following = next(self._runs, None)
            if following is None:
                return False
            self._one, self._left = following
        return True

    def take(self, number: int) -> list[Expected]:
        """Return the next operations, `number` or what is left."""
        batch: list[Expected] = []
        while len(batch) < number and self._more():
            taken = min(self._left, number - len(batch))
            batch += [self._one] * taken
            self._left -= taken
        return batch

    def skip_plain(self, size: int) -> int:
        """Pass over whole batches that share no read and make no company known; return their calls."""
        if not self._more() or self._one.reads or self._one.company is not None:
            return 0
        passed = self._left // size * size
        self._left -= passed
        return passed * self._one.writes


def load_seconds(calls: int, requests_per_minute: int, deletions: int) -> int:
    """Return how long so many calls take, among them so many deletions of persons."""
    return round(max(calls * 60 / requests_per_minute, deletion_seconds(deletions)))


def lookup_calls(company: str) -> int:
    """Return the calls by which an organization is found by name."""
    # A list's filter is split at commas: such a name goes through the lookup of the admin's forms.
    return 2 if "," in company else 1
