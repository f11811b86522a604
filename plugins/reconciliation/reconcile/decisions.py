"""What a planner would do about contacts that have no person yet, as findings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reconciliation.plan.contact_plan import Action
from reconciliation.plan.planned import Planned
from reconciliation.reconcile.finding import Finding, FindingClass, Side

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from reconciliation.plan.company_planner import PlannedCompany
    from reconciliation.plan.contact_plan import ContactPlan
    from reconciliation.plan.expectation import Expectation

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


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done about one contact; as a `ContactPlan` without the contact."""

    action: Action
    calls: int
    person_id: int | None
    reason: str | None
    message: str | None
    candidates: Sequence[Mapping[str, Any]]


@dataclass(slots=True)
class Decisions(Planned):
    """What a planner would do about each contact, and about companies."""

    made: dict[int, Decision] = field(default_factory=dict)
    companies: list[PlannedCompany] = field(default_factory=list)

    def add(self, plan: ContactPlan, expectation: Expectation) -> None:
        """Keep what is planned for one contact."""
        Planned.add(self, plan, expectation)
        if plan.action in CLASSES:
            self.made[plan.contact.contact_id] = Decision(
                plan.action,
                plan.calls,
                plan.adopt.get("person"),
                plan.reason,
                plan.message,
                plan.candidates,
            )

    def add_company(self, company: PlannedCompany) -> None:
        """Keep what is planned for one company."""
        Planned.add_company(self, company)
        self.companies.append(company)

    def findings(self, contact_ids: Iterable[int]) -> Iterator[Finding]:
        """Yield what the planner decided about some contacts without a person, and about companies."""
        for contact_id in sorted(contact_ids):
            made = self.made.get(contact_id)
            if made is None:
                continue
            kind = CLASSES[made.action]
            yield Finding(
                kind,
                _DONE[kind] if made.message is None else f"none: {made.message}",
                source_kind="contact",
                source_id=str(contact_id),
                contact_id=contact_id,
                crm_kind="person",
                crm_id=made.person_id,
                side=None if kind is FindingClass.QUARANTINED else Side.OURS,
                detail={"reason": made.reason, "candidates": [dict(one) for one in made.candidates]}
                if made.reason
                else {},
                calls=made.calls,
                repairable=kind is not FindingClass.QUARANTINED,
            )
        for company in self.companies:
            for place, (name, (shown, wanted)) in enumerate(sorted(company.changes.items())):
                yield Finding(
                    FindingClass.CHANGED,
                    "write Chatwoot's value",
                    source_kind="company",
                    source_id=company.folded_name,
                    crm_kind="organization",
                    field=name,
                    side=Side.OURS,
                    detail={"chatwoot": wanted, "krayin": shown},
                    calls=int(place == 0),
                    repairable=True,
                )
