"""What a planning decided: numbers, and examples with old and new values."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reconciliation.plan.contact import Action

if TYPE_CHECKING:
    from reconciliation.plan.contact import Changes, ContactPlan, Expectation, KnownState
    from reconciliation.plan.engine import OperationRow
    from reconciliation.plan.organization import PlannedCompany

# Examples of each kind of action in the summary.
SAMPLE = 10
QUARANTINE_SAMPLE = 50


@dataclass(slots=True)
class Planned:
    """What a planning decided.

    Numbers by action, those of leads for further inboxes apart, writes expected, quarantine by reason, and a
    sample with field differences (old and new values: it belongs into the sync database and nowhere else).
    """

    actions: Counter[str] = field(default_factory=Counter)
    leads: Counter[str] = field(default_factory=Counter)
    organizations: int = 0
    calls: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    quarantine_sample: list[dict[str, Any]] = field(default_factory=list)
    sample: list[dict[str, Any]] = field(default_factory=list)
    _sampled: Counter[str] = field(default_factory=Counter)

    def add(self, plan: ContactPlan, expectation: Expectation, _: KnownState | None = None, /) -> None:
        """Count one contact; the last one is what Krayin has of it, where that was looked at."""
        self.actions[plan.action] += 1
        self.calls += expectation.expected.writes
        contact_id = plan.contact.contact_id
        if plan.action is Action.QUARANTINE:
            self.quarantined[plan.reason or ""] += 1
            if len(self.quarantine_sample) < QUARANTINE_SAMPLE:
                self.quarantine_sample.append(
                    {
                        "contact": contact_id,
                        "reason": plan.reason,
                        "message": plan.message,
                        "candidates": [dict(candidate) for candidate in plan.candidates],
                    }
                )
        elif self._wants_sample(plan.action):
            self.sample.append(
                {
                    "contact": contact_id,
                    "action": str(plan.action),
                    "adopt": dict(plan.adopt),
                    "changes": {kind: shown(changes) for kind, changes in expectation.changes.items()},
                }
            )

    def add_lead(self, action: Action, operation: OperationRow | None) -> None:
        """Count a contact's lead for a further inbox, and the operation on it."""
        self.leads[action] += 1
        self.calls += 0 if operation is None else operation.expected.writes

    def wanted_examples(self, action: Action) -> int:
        """Return how many more examples of an action are wanted."""
        return max(0, SAMPLE - self._sampled[action])

    def add_creations(self, number: int) -> None:
        """Count contacts that will each be created by one call, beside those added one by one."""
        self.actions[Action.CREATE] += number
        self.calls += number

    def add_company(self, company: PlannedCompany) -> None:
        """Count one company."""
        self.organizations += 1
        self.calls += bool(company.changes)
        if self._wants_sample("organization"):
            self.sample.append(
                {
                    "company": company.folded_name,
                    "action": "organization",
                    "changes": {"organization": shown(company.changes)},
                }
            )

    def _wants_sample(self, action: str) -> bool:
        self._sampled[action] += 1
        return self._sampled[action] <= SAMPLE and action not in {Action.NOTHING, Action.LEAVE_DELETED}

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for `sync_run.summary`."""
        return {
            "planned": dict(self.actions),
            **({"planned_leads": dict(self.leads)} if self.leads else {}),
            "planned_organizations": self.organizations,
            "planned_quarantine": dict(self.quarantined),
            "planned_quarantine_sample": self.quarantine_sample,
            "planned_writes": self.calls,
            "sample": self.sample,
        }


def shown(changes: Changes) -> dict[str, list[Any]]:
    """Return changes as JSON: field name to old and new value."""
    return {name: [_plain(old), _plain(new)] for name, (old, new) in changes.items()}


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float | bool | list | dict) else str(value)
