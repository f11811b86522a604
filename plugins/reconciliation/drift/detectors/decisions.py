"""What a planner would do about contacts that have no person yet, as findings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciliation.drift.field_differences import FieldDifference, findings_of
from reconciliation.drift.finding import Finding, FindingClass, Side
from reconciliation.plan.contact import Action
from reconciliation.plan.planned import Planned
from reconciliation.store.decisions import LEFT_OUT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciliation.drift.request import Policy
    from reconciliation.plan.contact import ContactPlan, Expectation, KnownState
    from reconciliation.plan.organization import PlannedCompany

CLASSES = {
    Action.CREATE: FindingClass.MISSING,
    Action.ADOPT: FindingClass.UNMAPPED,
    Action.QUARANTINE: FindingClass.QUARANTINED,
}
_DONE = {
    FindingClass.MISSING: "make person and lead",
    FindingClass.UNMAPPED: "link the person and fill what is blank",
    FindingClass.QUARANTINED: "none: it would be quarantined",
}


@dataclass(slots=True)
class Decisions(Planned):
    """What a planner would do about each contact without a person, and about companies, as findings."""

    made: dict[int, Finding] = field(default_factory=dict)
    companies: list[Finding] = field(default_factory=list)

    def add(self, plan: ContactPlan, expectation: Expectation, _: KnownState | None = None, /) -> None:
        """Keep what is planned for one contact."""
        Planned.add(self, plan, expectation)
        kind = CLASSES.get(plan.action)
        # Who was left out on purpose is no difference.
        if kind is None or plan.reason == LEFT_OUT:
            return
        contact_id = plan.contact.contact_id
        waits = kind is FindingClass.QUARANTINED
        self.made[contact_id] = Finding(
            kind,
            _DONE[kind] if plan.message is None else f"none: {plan.message}",
            source_kind="contact",
            source_id=str(contact_id),
            contact_id=contact_id,
            crm_kind="person",
            crm_id=plan.adopt.get("person"),
            side=None if waits else Side.OURS,
            detail={"reason": plan.reason, "candidates": [dict(one) for one in plan.candidates]}
            if plan.reason
            else {},
            calls=plan.calls,
            repairable=not waits,
        )

    def add_company(self, company: PlannedCompany) -> None:
        """Keep what is planned for one company."""
        Planned.add_company(self, company)
        differences = [
            FieldDifference(name, Side.OURS, wanted, shown, writes=True)
            for name, (shown, wanted) in sorted(company.changes.items())
        ]
        record = {"source_kind": "company", "source_id": company.folded_name, "crm_kind": "organization"}
        self.companies += findings_of(differences, **record)

    def findings(self, contact_ids: Iterable[int]) -> list[Finding]:
        """Return what the planner decided about some contacts without a person, and about companies."""
        return [*(self.made[one] for one in sorted(contact_ids) if one in self.made), *self.companies]

    def to_repair(self, contact_ids: Iterable[int], policy: Policy) -> set[int]:
        """Return those of some contacts about whom something was decided that the policy repairs."""
        return {one for one in contact_ids if one in self.made and policy.repairs(self.made[one].kind)}
