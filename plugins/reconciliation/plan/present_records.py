"""What Krayin holds now of the contacts about to be adopted or updated, read many records a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from krayin.records import Lead
from krayin.text import fold_name

from reconciliation.crm.fields import (
    called_by_company,
    lead_fields,
    listed_person,
    organization_fields,
    person_fields,
)
from reconciliation.crm.reads import CrmReads, CurrentAttributes
from reconciliation.plan.contact import Action, KnownState
from reconciliation.store.mapping_store import known_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from krayin.catalogue import Catalogue
    from krayin.client import KrayinClient
    from krayin.endpoints import EntityType

    from reconciliation.plan.contact import ContactPlan
    from reconciliation.plan.engine import PlanEngine
    from reconciliation.plan.matching import KnownPersons
    from reconciliation.store.mapping_row import MappingRow


class PlanReads:
    """Krayin's present records for planning.

    The leads of persons about to be adopted are read for every plan, a hundred persons a call:
    whether each gets a new lead or has one is most of the cost. Only a plan that is not carried out
    (`exact`) reads the records to be updated as well; carrying it out reads them anyway, so that
    for a real run what was last sent is near enough.
    """

    def __init__(self, client: KrayinClient, catalogue: Catalogue, *, exact: bool) -> None:
        self._client = client
        self._catalogue = catalogue
        # A plan does not write: what it read does not grow old.
        self._attributes = CurrentAttributes(catalogue)
        self._reads = CrmReads(client, self._attributes, monotonic=lambda: 0.0)
        self.exact = exact

    def leads_of(self, person_ids: Iterable[int]) -> dict[int, list[Lead]]:
        """Return the leads of some persons by person."""
        wanted = sorted(set(person_ids))
        if not wanted:
            return {}
        self._reads.prefetch_leads_of(wanted)
        return {one: self._reads.leads_of(one) for one in wanted}

    def free_leads_of(self, engine: PlanEngine, person_ids: Iterable[int]) -> dict[int, list[Lead]]:
        """Return by person those leads of some persons that belong to no contact."""
        return _free(engine, self.leads_of(person_ids))

    def closed(self, ids: Iterable[int]) -> dict[int, datetime]:
        """Return when the won and lost ones among some leads were closed."""
        wanted = sorted(set(ids))
        closed = {}
        for lead in self._client.by_ids(Lead, wanted):
            # Closing many leads at once does not note when.
            when = lead.closed_at or lead.updated_at
            if lead.stage_id is not None and self._catalogue.is_final_stage(lead.stage_id) and when:
                closed[lead.id] = when
        return closed

    def persons(self, ids: Iterable[int]) -> dict[int, Mapping[str, Any]]:
        """Return the flat fields of some persons, of none unless `exact`; missing ones are absent."""
        codes = self._attributes.codes("persons")
        return {one: person_fields(row, codes) for one, row in self._read("persons", ids)}

    def leads(self, ids: Iterable[int]) -> dict[int, Mapping[str, Any]]:
        """Return the flat fields of some leads, of none unless `exact`; missing ones are absent."""
        return {
            one: lead_fields(row, self._attributes.codes("leads")) for one, row in self._read("leads", ids)
        }

    def organizations(self, names: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
        """Return the flat fields of organizations by folded name, of none unless `exact`.

        `names` gives the name for each folded one.
        """
        if not self.exact or not names:
            return {}
        found = self._client.organizations_by_names(list(names.values()))
        ids = {fold_name(one.name): one.id for one in found}
        rows = dict(self._read("organizations", ids.values()))
        codes = self._attributes.codes("organizations")
        return {name: organization_fields(rows[one], codes) for name, one in ids.items() if one in rows}

    def _read(self, entity: EntityType, ids: Iterable[int]) -> Sequence[tuple[int, Mapping[str, Any]]]:
        wanted = sorted(set(ids)) if self.exact else []
        self._reads.prefetch(entity, wanted)
        rows = ((one, self._reads.entity(entity, one)) for one in wanted)
        return [(one, row) for one, row in rows if row is not None]


def present_records(
    engine: PlanEngine,
    reads: PlanReads | None,
    plans: Sequence[ContactPlan],
    known: Mapping[int, Mapping[str, MappingRow]],
    persons: KnownPersons,
) -> dict[int, KnownState]:
    """Return by contact what is there of each, if it is adopted or updated and has a person.

    `reads` looks at Krayin for what the snapshot of persons does not hold; without it nothing does.
    """
    wanted = [plan for plan in plans if plan.action in {Action.ADOPT, Action.UPDATE}]
    adopted = {plan.contact.contact_id: plan.adopt.get("person") for plan in wanted}
    ids = {one: (adopted[one] or known[one]["person"].crm_id, known[one]["lead"].crm_id) for one in adopted}
    person_ids = {one: person_id for one, (person_id, _) in ids.items() if person_id is not None}
    lead_ids = {one: lead_id for one, (_, lead_id) in ids.items() if lead_id is not None}
    leads_of: dict[int, list[Lead]] = {}
    shown_persons: dict[int, Mapping[str, Any]] = {}
    shown_leads: dict[int, Mapping[str, Any]] = {}
    if reads is not None:
        leadless = {plan.contact.contact_id for plan in wanted if plan.contact.lead is None}
        asked = person_ids.keys() - lead_ids - leadless
        leads_of = reads.free_leads_of(engine, (person_ids[one] for one in asked))
        shown_persons = reads.persons(person_ids.values())
        shown_leads = reads.leads(lead_ids.values())
    shown = {
        contact_id: shown_persons.get(person_id) or (facts and listed_person(facts))
        for contact_id, person_id in person_ids.items()
        for facts in (persons.facts.get(person_id),)
    }
    # The organizations of persons go by the companies we know them for.
    organizations = ((fields or {}).get("organization_id") for fields in shown.values())
    names = known_names(engine.connection, engine.identity.target_id, organizations)
    for plan in plans if names else ():
        contact_id = plan.contact.contact_id
        fields = shown.get(contact_id)
        if fields is not None:
            sent = (known[contact_id]["person"].last_sent or {}).get("organization")
            shown[contact_id] = called_by_company(fields, names, plan.contact.person["organization"], sent)
    return {
        contact_id: KnownState(
            rows,
            person=shown.get(contact_id),
            lead=shown_leads.get(lead_ids.get(contact_id, 0)),
            leads=leads_of.get(person_ids.get(contact_id, 0)),
        )
        for contact_id, rows in known.items()
    }


def _free(engine: PlanEngine, leads_of: Mapping[int, list[Lead]]) -> dict[int, list[Lead]]:
    ids = [lead.id for leads in leads_of.values() for lead in leads]
    owned = {row[0] for row in engine.execute("mapping/owned", crm_ids=ids)} if ids else set()
    return {one: [lead for lead in leads if lead.id not in owned] for one, leads in leads_of.items()}
