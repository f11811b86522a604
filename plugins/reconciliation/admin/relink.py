"""Decides for every binding which record of another Krayin it is; pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from reconciliation.crm.fields import ACTIVITY, LEAD, ORGANIZATION, PERSON
from reconciliation.crm.lineage import same_moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

CREATED, ADOPTED = "created", "adopted"
# Persons before the leads and activities that hang on them.
ORDER = (ORGANIZATION, PERSON, LEAD, ACTIVITY)


class Action(StrEnum):
    """What becomes of a binding: the record is there, is there under another id, or is not there."""

    KEEP = "keep"
    RELINK = "relink"
    UNLINK = "unlink"


@dataclass(frozen=True, slots=True)
class Record:
    """A record as the whole reading of Krayin shows it.

    `keys` are what it is found again by: e-mails and phones of a person, the folded name of an
    organization, our key of an activity, the line by which we know our own of a lead. `person_id` is a
    lead's person. Moments are UTC.
    """

    id: int
    created_at: datetime | None
    keys: frozenset[str] = frozenset()
    person_id: int | None = None
    name: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Binding:
    """A mapping row with a record, and what its record had when it was written; `keys` as in Record.

    `contact` tells contacts apart. `created_at` is None while it was not seen. `was_given_again` says that
    a new record has the id. `former` are closed leads that the lead followed. `was_deleted` says that we
    deleted the record: only one that is there again has a decision.
    """

    row_id: int
    contact: tuple[int, str]
    crm_kind: str
    crm_id: int
    created_at: datetime | None
    keys: frozenset[str]
    name: str | None = field(default=None, repr=False)
    was_given_again: bool = False
    former: tuple[int, ...] = ()
    was_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one binding.

    `crm_id` is its record from now on, `is_foreign` says that the old id is somebody else's record,
    `origin` what a record that was found is taken for.
    """

    row_id: int
    crm_kind: str
    action: Action
    crm_id: int | None = None
    created_at: datetime | None = None
    origin: str | None = None
    is_foreign: bool = False
    former: tuple[int, ...] = ()


def relink(bindings: Iterable[Binding], records: Mapping[str, Mapping[int, Record]]) -> list[Decision]:
    """Return what becomes of each binding; `records` are Krayin's by kind and id.

    A record is given to one binding only, and a binding takes none that is in doubt: the planner looks at
    what is left.
    """
    by_kind: dict[str, list[Binding]] = defaultdict(list)
    for binding in bindings:
        by_kind[binding.crm_kind].append(binding)
    persons: dict[tuple[int, str], int] = {}
    decisions: list[Decision] = []
    for kind in ORDER:
        decided = _of_kind(kind, by_kind[kind], records.get(kind, {}), persons)
        pairs = list(zip(by_kind[kind], decided, strict=True))
        decisions += [one for binding, one in pairs if not binding.was_deleted or one.action is Action.KEEP]
        if kind == PERSON:
            persons = {
                binding.contact: decision.crm_id for binding, decision in pairs if decision.crm_id is not None
            }
    return decisions


def _of_kind(
    kind: str,
    bindings: Sequence[Binding],
    records: Mapping[int, Record],
    persons: Mapping[tuple[int, str], int],
) -> list[Decision]:
    kept = {
        one.row_id
        for one in bindings
        if one.crm_id in records and _is_same(one, records[one.crm_id], persons.get(one.contact))
    }
    taken = {one.crm_id for one in bindings if one.row_id in kept}
    by_key: dict[str, list[Record]] = defaultdict(list)
    for record in records.values():
        if record.id not in taken or kind == ORGANIZATION:
            for key in record.keys:
                by_key[key].append(record)
    found = dict(_matches([one for one in bindings if one.row_id not in kept], by_key, persons))
    # An organization may stand for several companies, anything else for one source record.
    claims = Counter(record.id for record in found.values())
    decisions = []
    for one in bindings:
        match = found.get(one.row_id)
        is_of: Record | None = None
        if one.row_id in kept:
            is_of, action = records[one.crm_id], Action.KEEP
        elif match is not None and (claims[match.id] == 1 or kind == ORGANIZATION):
            is_of, action = match, Action.RELINK
        else:
            action = Action.UNLINK
        decisions.append(
            Decision(
                one.row_id,
                kind,
                action,
                crm_id=None if is_of is None else is_of.id,
                created_at=None if is_of is None else is_of.created_at,
                # Only our own mark shows that we made a record: a person found by e-mail may be anybody's.
                origin=CREATED if kind in {LEAD, ACTIVITY} else ADOPTED,
                is_foreign=action is not Action.KEEP and one.crm_id in records,
                former=_former(one, records, persons.get(one.contact)),
            )
        )
    return decisions


def _is_same(binding: Binding, record: Record, person_id: int | None) -> bool:
    if binding.was_given_again:
        # Perhaps within the same second, so that the times would not tell.
        return False
    if binding.created_at is not None and record.created_at is not None:
        return same_moment(binding.created_at, record.created_at)
    if binding.crm_kind == LEAD and record.person_id != person_id:
        return False
    if binding.keys:
        return bool(binding.keys & record.keys)
    return binding.name is not None and binding.name == record.name


def _matches(
    bindings: Iterable[Binding],
    by_key: Mapping[str, Sequence[Record]],
    persons: Mapping[tuple[int, str], int],
) -> Iterator[tuple[int, Record]]:
    """Yield the record of each binding whose keys find as many records as there are bindings with them.

    Only the leads that a contact has for its inboxes share a key: first and first, second and second, in the
    order in which they were made.
    """
    alike: dict[object, list[Binding]] = defaultdict(list)
    for one in bindings:
        alike[(one.contact, one.keys) if one.crm_kind == LEAD else one.row_id].append(one)
    for ours in alike.values():
        person_id = persons.get(ours[0].contact)
        hits = {
            record.id: record
            for key in ours[0].keys
            for record in by_key.get(key, ())
            if ours[0].crm_kind != LEAD or (person_id is not None and record.person_id == person_id)
        }
        if len(hits) == len(ours):
            for binding, crm_id in zip(sorted(ours, key=lambda one: one.crm_id), sorted(hits), strict=True):
                yield binding.row_id, hits[crm_id]


def _former(binding: Binding, records: Mapping[int, Record], person_id: int | None) -> tuple[int, ...]:
    return tuple(
        one
        for one in binding.former
        if one in records and person_id is not None and records[one].person_id == person_id
    )
