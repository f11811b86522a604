"""What must be settled before a sync makes its first records: Krayin must not mail people unasked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from krayin.catalogue import Workflow

from reconciliation.errors import ReconciliationError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from krayin.client import KrayinClient

# What a load triggers, and how the actions that mail somebody begin. Krayin 2.2 names the kind of record
# in the event's place: whatever happens to one may be meant.
_TRIGGERED = frozenset(
    {
        "lead.create.after",
        "lead.update.after",
        "contacts.person.create.after",
        "contacts.person.update.after",
        "leads",
        "persons",
    }
)
_MAILS = "send_email"


class WorkflowsNotConfirmedError(ReconciliationError):
    """Krayin would mail people for the records of a first load; nothing was sent.

    `sync_name` is the sync, `workflows` those nobody has confirmed, in words by id.
    """

    def __init__(self, sync_name: str, workflows: Mapping[int, str]) -> None:
        self.sync_name = sync_name
        self.workflows = dict(workflows)
        super().__init__(
            f"Krayin would send e-mails for records that sync {sync_name} creates or changes: "
            f"{'; '.join(self.workflows.values())}. Switch these workflows off in Krayin (Settings > "
            f"Workflows) for the time of the first load, or allow them in the sync file: "
            f"confirmed_workflows: {sorted(self.workflows)}"
        )


def mailing_workflows(workflows: Iterable[Workflow]) -> list[Workflow]:
    """Return those that mail somebody when a lead or person is created or changed, by id."""
    return sorted(
        (
            workflow
            for workflow in workflows
            if workflow.event in _TRIGGERED
            and any(action.startswith(_MAILS) for action in workflow.action_ids)
        ),
        key=lambda workflow: workflow.id,
    )


def unconfirmed(client: KrayinClient, confirmed: Collection[int]) -> dict[int, str]:
    """Return in words by id the mailing workflows of a Krayin that are not among `confirmed`; one call."""
    mailing = mailing_workflows(client.every(Workflow))
    return {workflow.id: described(workflow) for workflow in mailing if workflow.id not in confirmed}


def described(workflow: Workflow) -> str:
    """Return a workflow in words: number, name, event and what mails."""
    mails = ", ".join(action for action in workflow.action_ids if action.startswith(_MAILS))
    event = workflow.event if "." in workflow.event else f"some event of {workflow.event}"
    return f"{workflow.id} ({workflow.name}: {mails} on {event})"
