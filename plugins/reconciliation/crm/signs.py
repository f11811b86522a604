"""Signs that a Krayin is not the one we knew: restored, emptied, replaced, or a copy of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from krayin.catalogue import Attribute, Catalogue, User

# Salespeople delete records too: fewer than these, or less than the share, is drift.
LEAST_GONE = 10
LARGEST_SHARE_GONE = 0.5
LEAST_COMPARED = 10
LEAST_UNKNOWN_SHARE = 0.9
# Users, pipelines and custom attributes of which more than half vanish at once.
LEAST_SETTINGS_GONE = 3
# Krayin keeps local times: under another APP_TIMEZONE all shift alike, by quarters of an hour.
QUARTER = timedelta(minutes=15)
WIDEST_SHIFT = timedelta(hours=26)

WHAT_NOW = "Nothing is written to it any more. Start the DAG krayin_recover and say what happened"


@dataclass(frozen=True, slots=True)
class Sign:
    """What was seen; `facts` are numbers and ids only (JSON)."""

    name: str
    seen: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """What is told to people."""
        return f"This may be another Krayin than the one we knew: {self.seen}. {WHAT_NOW}"


@dataclass(frozen=True, slots=True)
class Census:
    """How many records of a kind are ours, and how many of these have ids above Krayin's newest.

    `total` is how many records of the kind Krayin has, anybody's, and `newest` the newest id of them.
    """

    crm_kind: str
    ours: int
    beyond: int
    total: int
    newest: int


def same_moment(known: datetime, shown: datetime) -> bool:
    """Tell whether two readings of when a record was made are of one record, the server's zone apart."""
    apart = abs(shown - known)
    return apart <= WIDEST_SHIFT and apart % QUARTER == timedelta(0)


def id_given_again(crm_kind: str, crm_id: int, newest: int) -> Sign | None:
    """Return a sign when a new record has an id no newer than the newest known before: MySQL counts up."""
    if crm_id > newest:
        return None
    return Sign(
        "id_given_again",
        f"it gave a new {crm_kind} the id {crm_id}, though ids up to {newest} had been given before",
        {"kind": crm_kind, "id": crm_id, "newest_known": newest},
    )


def id_taken(made: Mapping[str, int]) -> Sign:
    """Return the sign that a new record, by kind, has an id that a record of ours has."""
    named = " and ".join(f"{kind} {crm_id}" for kind, crm_id in made.items())
    return Sign("id_given_again", f"it gave a new record an id that ours has ({named})", {"made": dict(made)})


def other_record(crm_kind: str, known: Mapping[int, datetime], shown: Mapping[int, datetime]) -> Sign | None:
    """Return a sign when a record of ours was made at another time than it was; both by id, aware."""
    others = [one for one, at in known.items() if one in shown and not same_moment(at, shown[one])]
    if not others:
        return None
    return Sign(
        "other_record",
        f"its {crm_kind} {min(others)} was made at another time than ours with that id",
        {"kind": crm_kind, "ids": sorted(others)[:LEAST_GONE], "number": len(others)},
    )


def records_gone(census: Census) -> Sign | None:
    """Return a sign when the newest of our records, or most of them, are gone at once.

    Krayin 2.1 and 2.2 keep no trace of deletions, so what a salesperson deletes looks the same one by one:
    a sign is only what nobody does by hand.
    """
    missing = census.ours - census.total
    facts = {
        "kind": census.crm_kind,
        "ours": census.ours,
        "there": census.total,
        "newest_there": census.newest,
        "ours_beyond": census.beyond,
    }
    if census.beyond >= LEAST_GONE:
        seen = (
            f"its newest {census.crm_kind} has the id {census.newest}, and {census.beyond} of our "
            f"{census.crm_kind}s had newer ones"
        )
        return Sign("newest_gone", seen, facts)
    if missing >= LEAST_GONE and missing > LARGEST_SHARE_GONE * census.ours:
        seen = f"it has {census.total} {census.crm_kind}s, where {census.ours} of ours were"
        return Sign("most_gone", seen, facts)
    return None


def emails_unknown(compared: int, unknown: int) -> Sign | None:
    """Return a sign when hardly a person of ours has an e-mail that was sent: the mark of a staging copy."""
    if compared < LEAST_COMPARED or unknown < LEAST_UNKNOWN_SHARE * compared:
        return None
    return Sign(
        "emails_unknown",
        f"{unknown} of {compared} persons of ours have none of the e-mails they had, as in a test copy",
        {"compared": compared, "unknown": unknown},
    )


def other_setup(before: Catalogue, now: Catalogue) -> Sign | None:
    """Return a sign when users, pipelines and attributes are not those we knew.

    Ordinary edits are none: names, e-mails, one more, one less. An id that has another identity is,
    as are more than half of all gone at once.
    """
    stages = {stage.id: pipeline.id for pipeline in before.pipelines for stage in pipeline.stages}
    attributes = {one.id: one for one in before.attributes}
    users = {one.id: one for one in before.users}
    others = [
        *(
            f"user {one.id}"
            for one in now.users
            if one.id in users and not _made_together(users[one.id], one)
        ),
        *(
            f"attribute {one.id}"
            for one in now.attributes
            if one.id in attributes and not _same_attribute(attributes[one.id], one)
        ),
        *(
            f"stage {stage.id}"
            for pipeline in now.pipelines
            for stage in pipeline.stages
            if stages.get(stage.id, pipeline.id) != pipeline.id
        ),
    ]
    if others:
        return Sign("other_setup", f"its {others[0]} is another one", {"others": sorted(others)[:LEAST_GONE]})
    known_settings, settings = _settings(before), _settings(now)
    gone = known_settings - settings
    if len(gone) >= LEAST_SETTINGS_GONE and len(gone) > LARGEST_SHARE_GONE * len(known_settings):
        seen = f"{len(gone)} of its {len(known_settings)} users, pipelines and custom attributes are gone"
        return Sign("setup_gone", seen, {"gone": sorted(gone), "known": len(known_settings)})
    return None


def _made_together(known: User | Attribute, shown: User | Attribute) -> bool:
    if known.created_at is None or shown.created_at is None:
        return True
    return same_moment(known.created_at, shown.created_at)


def _same_attribute(known: Attribute, shown: Attribute) -> bool:
    same = (known.entity_type, known.code) == (shown.entity_type, shown.code)
    return same and _made_together(known, shown)


def _settings(catalogue: Catalogue) -> set[str]:
    return {
        *(f"user {one.id}" for one in catalogue.users),
        *(f"pipeline {one.id}" for one in catalogue.pipelines),
        *(f"attribute {one.id}" for one in catalogue.attributes if one.is_user_defined),
    }
