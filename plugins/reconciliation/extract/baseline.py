"""What a sync knows of its Chatwoot from the last look that was whole, and what a new look makes doubtful."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from heapq import nlargest, nsmallest
from typing import TYPE_CHECKING, Any, Self

from chatwoot.source import shows_less
from psycopg.types.json import Jsonb
from statements import statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import psycopg
    from chatwoot.records import Contact

    from reconciliation.store.binding_scope import BindingScope

FLOOR = 10
"""So many rows fewer are never doubted, but for all of them."""
FEW = 4
"""So few may all be deleted."""
NEWEST = 5
SPREAD = 5


@dataclass(frozen=True, slots=True)
class Witness:
    """A contact as it was seen: its times (aware) tell whether a later look shows the same one, as new."""

    id: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, contact: Contact) -> Self:
        """Return what is remembered of a contact."""
        return cls(contact.id, contact.created_at, contact.updated_at)


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the last whole look showed.

    Attributes:
        formula: how Chatwoot was read: what database and API show differs by more than what is there.
        lineage: see `chatwoot.source.Vouch`; so is `narrow`.
        inboxes: the inboxes of the scope in which `rows` were counted, None for all.
        rows: how many rows each stream had in the scope.
        witnesses: the contacts changed last and a few spread over all, by id.
        confirmed: a person said that what is shown is right; the next comparison is taken at its word.
        snapshot: see `chatwoot.source.Vouch`; that of the newest reading, whole or of a few contacts.
        read_at: when that reading began by Chatwoot's clock, UTC.
    """

    formula: str
    lineage: str | None = None
    inboxes: tuple[int, ...] | None = None
    rows: Mapping[str, int] = field(default_factory=dict)
    narrow: tuple[str, ...] = ()
    witnesses: Mapping[int, Witness] = field(default_factory=dict)
    confirmed: bool = False
    snapshot: str = ""
    read_at: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` takes."""
        return {**asdict(self), **self.moment}

    @property
    def moment(self) -> dict[str, Any]:
        """The part of `to_json` that says how new it is."""
        return {
            "snapshot": self.snapshot,
            "read_at": None if self.read_at is None else self.read_at.isoformat(),
            "witnesses": [
                [one.id, one.created_at.isoformat(), one.updated_at.isoformat()]
                for one in self.witnesses.values()
            ],
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Return the baseline that `to_json` gave."""
        witnesses = [
            Witness(number, datetime.fromisoformat(created), datetime.fromisoformat(updated))
            for number, created, updated in stored["witnesses"]
        ]
        inboxes = stored["inboxes"]
        # Earlier versions did not keep it.
        read_at = stored.get("read_at")
        return cls(
            stored["formula"],
            stored["lineage"],
            None if inboxes is None else tuple(inboxes),
            stored["rows"],
            tuple(stored["narrow"]),
            {one.id: one for one in witnesses},
            stored["confirmed"],
            stored.get("snapshot", ""),
            None if read_at is None else datetime.fromisoformat(read_at),
        )

    def is_older_than(self, other: Baseline) -> bool:
        """Tell whether this reading, the later by the clock, shows an earlier moment of the same history.

        One that began before `other`, and is only judged after it, shows what it should.
        """
        if self.lineage != other.lineage or self.read_at is None or other.read_at is None:
            return False
        return self.read_at > other.read_at and shows_less(other.snapshot, self.snapshot)


def chosen(seen: Iterable[Witness]) -> dict[int, Witness]:
    """Return those to remember: the ones changed last, and a sample that stays the same while they do."""
    known = {one.id: one for one in seen}.values()
    newest = nlargest(NEWEST, known, key=_newness)
    # Multiplication by a large odd number: an order that has nothing to do with that of the ids.
    spread = nsmallest(SPREAD, known, key=lambda one: (one.id * 2654435761 % 2**32, one.id))
    return {one.id: one for one in (*newest, *spread)}


def contradiction(before: Mapping[int, Witness], now: Mapping[int, Witness], *, moved: bool) -> str | None:
    """Return in a clause why this is not the Chatwoot that was known, None where nothing says so.

    Args:
        before: the witnesses as they were known.
        now: those of them that are there, as they are.
        moved: whether the lineage is another (of the server, its database or its table), or the source says
            that it is behind.
    """
    if not before:
        return None
    others = [one for number, one in now.items() if one.created_at != before[number].created_at]
    if 2 * len(others) > len(now):
        return f"{len(others)} of {len(now)} contacts looked at were created at another time than known"
    # In no state that a row ever had was it changed before it was made: such a date was set by hand.
    reverted = [
        number for number, one in now.items() if one.created_at <= one.updated_at < before[number].updated_at
    ]
    if reverted:
        first = min(reverted, key=lambda number: before[number].updated_at)
        later = [number for number, one in before.items() if one.updated_at >= before[first].updated_at]
        # One date that somebody set back by hand leaves the others as they are.
        undone = len(reverted) > 1 and all(number in reverted or number not in now for number in later)
        if moved or undone:
            return (
                f"contact {first} is as of {now[first].updated_at:%Y-%m-%d %H:%M:%S} UTC, though its change "
                f"of {before[first].updated_at:%Y-%m-%d %H:%M:%S} UTC was seen before"
            )
    if not now and len(before) > FEW:
        return f"none of {len(before)} known contacts looked at is there"
    missing = missing_of_newest(before, now)
    if moved and len(missing) == min(NEWEST, len(before)):
        return (
            f"it runs elsewhere, is behind or was restored, and the {len(missing)} contacts changed last are "
            "not there"
        )
    return None


def missing_of_newest(before: Mapping[int, Witness], now: Mapping[int, Witness]) -> list[int]:
    """Return those of the contacts changed last that are not there: an older state may lack just them."""
    newest = nlargest(NEWEST, before.values(), key=_newness)
    return sorted(one.id for one in newest if one.id not in now)


def _newness(one: Witness) -> tuple[datetime, int]:
    return one.updated_at, one.id


def fell(before: int, now: int, share: float) -> bool:
    """Tell whether so many rows fewer than known are too many to be taken for deleted."""
    return before - now > max(FLOOR, share * before) or (now == 0 and before > FEW)


def known_before(connection: psycopg.Connection, sync_name: str, identity: BindingScope) -> Baseline | None:
    """Return what a sync knows of this Chatwoot, None before its first whole look."""
    row = connection.execute(
        statement("source_baseline/read"), {"sync_name": sync_name, **identity.parameters()}
    ).fetchone()
    return None if row is None else Baseline.from_json(row[0])


def note_baseline(
    connection: psycopg.Connection, sync_name: str, identity: BindingScope, document: Mapping[str, Any]
) -> None:
    """Keep a baseline (as JSON) in the place of the one before."""
    connection.execute(
        statement("source_baseline/write"),
        {"sync_name": sync_name, **identity.parameters(), "document": Jsonb(dict(document))},
    )


def note_moment(
    connection: psycopg.Connection, sync_name: str, identity: BindingScope, baseline: Baseline
) -> None:
    """Keep how new a reading of a few contacts was, with its witnesses; the rest of what is known stays."""
    connection.execute(
        statement("source_baseline/moment_write"),
        {
            "sync_name": sync_name,
            **identity.parameters(),
            "lineage": baseline.lineage,
            "moment": Jsonb(baseline.moment),
        },
    )
