"""Krayin's lists: what is kept of a record, and by which keys it is found again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

from krayin.records import Activity, Lead, Organization, Person, Shown

from reconciliation.crm.fields import activity_facts, lead_facts, organization_columns, person_facts
from reconciliation.mapping.contact import natural_keys
from reconciliation.mapping.desired_activity import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PERSON, LEAD, ORGANIZATION, ACTIVITY = "person", "lead", "organization", "activity"
RECORDS: dict[str, type[Any]] = {
    PERSON: Person,
    LEAD: Lead,
    ORGANIZATION: Organization,
    ACTIVITY: Activity,
}
"""What the client calls the kinds of records."""


@dataclass(frozen=True, slots=True)
class Listing(Generic[Shown]):
    """One of Krayin's lists.

    `facts` gives what is kept of a record (JSON), `keys` by what it is found again. `is_whole` says that
    the list shows every record of its table, so that asking for ids shows none that is not in it.
    """

    crm_kind: str
    facts: Callable[[Shown], dict[str, Any]]
    keys: Callable[[Shown, dict[str, Any]], Sequence[str]]
    is_whole: bool = True


def persons(phone_region: str | None) -> Listing[Person]:
    """Return the list of persons; their keys are e-mails and phones, those of `phone_region` completed."""
    return Listing(
        PERSON,
        person_facts,
        lambda _, facts: natural_keys(facts["emails"], facts["phones"], phone_region),
    )


def leads() -> Listing[Lead]:
    """Return the list of leads; the key of a lead is its person."""
    return Listing(
        LEAD,
        lead_facts,
        lambda lead, _: () if lead.person_id is None else (f"person:{lead.person_id}",),
    )


def organizations() -> Listing[Organization]:
    """Return the list of organizations; Krayin itself keeps their names apart."""
    return Listing(
        ORGANIZATION,
        organization_columns,
        lambda *_: (),
    )


def activities() -> Listing[Activity]:
    """Return the list of notes, calls and e-mails; what was said is kept as a mark only."""
    return Listing(
        ACTIVITY,
        activity_facts,
        lambda activity, _: (f"{KEY}:{activity.additional[KEY]}",) if KEY in activity.additional else (),
        # Krayin's own entries lie between.
        is_whole=False,
    )
