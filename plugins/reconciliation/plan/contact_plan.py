"""Decides, without any I/O, what is to be done about one contact."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from reconciliation.plan.matching import Adopt, Ambiguous, match_person
from reconciliation.sync_database.mapping_row import MappingState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciliation.mapping.desired_contact import DesiredContact
    from reconciliation.plan.matching import KnownPerson
    from reconciliation.sync_database.mapping_row import MappingRow


class Action(StrEnum):
    """What a plan does, in the words of the forecast."""

    CREATE = "create"
    ADOPT = "adopt"
    UPDATE = "update"
    NOTHING = "nothing"
    QUARANTINE = "quarantine"
    LEAVE_DELETED = "deleted_in_krayin"


@dataclass(frozen=True, slots=True)
class ContactPlan:
    """What is to be done about one contact.

    `adopt` are CRM ids to take over before writing, `calls` the writes at most, `follows_lead` a
    closed lead that is to be followed by a new one. `reason` and
    `candidates` explain a quarantine to the person who will look at it.
    """

    contact: DesiredContact
    action: Action
    adopt: Mapping[str, int] = field(default_factory=dict)
    calls: int = 0
    reason: str | None = None
    message: str | None = None
    candidates: Sequence[Mapping[str, Any]] = ()
    follows_lead: int | None = None


def plan_contact(
    contact: DesiredContact,
    person: MappingRow | None,
    lead: MappingRow | None,
    candidates: Sequence[KnownPerson],
    *,
    recreate_deleted: bool,
) -> ContactPlan:
    """Decide what is to be done about `contact`.

    `person` and `lead` are its mapping rows, `candidates` the persons Krayin showed with one of
    its e-mails or phones (or under the id an earlier integration kept).
    """
    person_state = person.state if person else MappingState.PENDING
    if person_state is MappingState.GONE and not recreate_deleted:
        return ContactPlan(contact, Action.LEAVE_DELETED)
    if person is not None and person_state is MappingState.LINKED:
        writes = int(person.acked_hash != contact.person_hash())
        lead_gone = lead is not None and lead.state is MappingState.GONE
        if not (lead_gone and not recreate_deleted):
            writes += int(lead is None or lead_gone or lead.acked_hash != contact.lead_hash())
        return ContactPlan(contact, Action.UPDATE if writes else Action.NOTHING, calls=writes)

    match = match_person(contact, candidates)
    if isinstance(match, Ambiguous):
        return ContactPlan(
            contact,
            Action.QUARANTINE,
            reason=match.reason,
            message=match.message,
            candidates=tuple(person.described() for person in match.candidates),
        )
    if isinstance(match, Adopt):
        adopt = {"person": match.person.crm_id}
        if contact.adopt.get("person") == match.person.crm_id and "lead" in contact.adopt:
            adopt["lead"] = contact.adopt["lead"]
        return ContactPlan(contact, Action.ADOPT, adopt=adopt, calls=1)
    return ContactPlan(contact, Action.CREATE, calls=1)
