"""Decides, without any I/O, what is to be done about one activity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from reconciliation.plan.contact_plan import Action
from reconciliation.sync_database.mapping_row import MappingState

if TYPE_CHECKING:
    from reconciliation.sync_database.mapping_row import MappingRow

Link = Literal["person", "lead", "both"]


@dataclass(frozen=True, slots=True)
class LinkedRecords:
    """Where a contact stands in Krayin; `person_id` is its person's id once that is known."""

    person: MappingState | None = None
    lead: MappingState | None = None
    person_id: int | None = None

    def waits_for(self, link: Link) -> str | None:
        """Return the record an activity must wait for, None when it can be carried out.

        An activity of a contact whose lead was deleted in Krayin hangs on the person instead.
        """
        # First, because an adopted person is linked some time before its lead is.
        if link != "person" and self.lead not in {MappingState.LINKED, MappingState.GONE}:
            return "lead"
        return None if self.person is MappingState.LINKED else "person"


@dataclass(frozen=True, slots=True)
class ActivityPlan:
    """What is to be done: the action, what it waits for, the calls expected."""

    action: Action
    waits_for: str | None = None
    calls: int = 0


def plan_activity(
    row: MappingRow, wanted_hash: bytes, contact: LinkedRecords, link: Link, *, recreate_deleted: bool
) -> ActivityPlan:
    """Decide about an activity with this mapping row, whose contact stands as `contact` says."""
    if row.state is MappingState.GONE and not recreate_deleted:
        return ActivityPlan(Action.LEAVE_DELETED)
    if contact.person is MappingState.GONE and not recreate_deleted:
        return ActivityPlan(Action.LEAVE_DELETED)
    if row.state is MappingState.LINKED:
        if row.acked_hash == wanted_hash:
            return ActivityPlan(Action.NOTHING)
        return ActivityPlan(Action.UPDATE, contact.waits_for(link), 1)
    return ActivityPlan(Action.CREATE, contact.waits_for(link), 2 if link == "both" else 1)
