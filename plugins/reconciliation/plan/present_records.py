"""What Krayin holds now of the contacts about to be adopted or updated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from statements import statement

from reconciliation.crm.fields import called_by_company, listed_person
from reconciliation.mapping.company_names import known_names
from reconciliation.plan.contact_plan import Action
from reconciliation.plan.expectation import KnownState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg
    from krayin.records import Lead

    from reconciliation.plan.contact_plan import ContactPlan
    from reconciliation.plan.known_persons import KnownPersons
    from reconciliation.plan.plan_reads import PlanReads
    from reconciliation.sync_database.locked_mapping import LockedMapping


@dataclass(frozen=True, slots=True)
class PresentRecords:
    """Looks at Krayin through `reads` for what the snapshot of persons does not hold; not at all without."""

    connection: psycopg.Connection
    target_id: int
    reads: PlanReads | None

    def of(
        self, plans: Sequence[ContactPlan], known: LockedMapping, persons: KnownPersons
    ) -> dict[int, KnownState]:
        """Return by contact what is there of each that is adopted or updated and has a person."""
        person_ids: dict[int, int] = {}
        lead_ids: dict[int, int] = {}
        without_lead: dict[int, int] = {}
        for plan in plans:
            if plan.action not in {Action.ADOPT, Action.UPDATE}:
                continue
            contact_id = plan.contact.contact_id
            person, lead = known.person(contact_id), known.lead(contact_id)
            person_id = plan.adopt.get("person", person.crm_id)
            if person_id is not None:
                person_ids[contact_id] = person_id
            if lead.crm_id is not None:
                lead_ids[contact_id] = lead.crm_id
            elif person_id is not None:
                without_lead[contact_id] = person_id
        if self.reads is None:
            leads_of: dict[int, list[Lead]] = {}
            shown_persons: dict[int, Mapping[str, Any]] = {}
            shown_leads: dict[int, Mapping[str, Any]] = {}
        else:
            leads_of = self._free(self.reads.leads_of(without_lead.values()))
            shown_persons = self.reads.persons(person_ids.values())
            shown_leads = self.reads.leads(lead_ids.values())
        shown = {
            contact_id: shown_persons.get(person_id) or (facts and listed_person(facts))
            for contact_id, person_id in person_ids.items()
            for facts in (persons.facts.get(person_id),)
        }
        self._call_by_company(plans, known, shown)
        return {
            contact_id: KnownState(
                person=shown[contact_id],
                lead=shown_leads.get(lead_ids.get(contact_id, 0)),
                leads=leads_of.get(person_id),
            )
            for contact_id, person_id in person_ids.items()
        }

    def _call_by_company(
        self,
        plans: Sequence[ContactPlan],
        known: LockedMapping,
        shown: dict[int, Mapping[str, Any] | None],
    ) -> None:
        """Let the organizations of persons go by the companies we know them for."""
        ids = ((fields or {}).get("organization_id") for fields in shown.values())
        names = known_names(self.connection, self.target_id, ids)
        for plan in plans if names else ():
            contact_id = plan.contact.contact_id
            fields = shown.get(contact_id)
            if fields is not None:
                sent = (known.person(contact_id).last_sent or {}).get("organization")
                wanted = plan.contact.person["organization"]
                shown[contact_id] = called_by_company(fields, names, wanted, sent)

    def _free(self, leads_of: Mapping[int, list[Lead]]) -> dict[int, list[Lead]]:
        ids = [lead.id for leads in leads_of.values() for lead in leads]
        if not ids:
            return dict(leads_of)
        owned = {
            row[0]
            for row in self.connection.execute(
                statement("plan/owned"), {"target_id": self.target_id, "crm_ids": ids}
            )
        }
        return {one: [lead for lead in leads if lead.id not in owned] for one, leads in leads_of.items()}
