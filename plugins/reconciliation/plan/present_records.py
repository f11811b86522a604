"""What Krayin holds now of the contacts about to be adopted or updated, read many records a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from krayin.records import Lead
from krayin.text import fold_name

from reconciliation.crm.attributes import CurrentAttributes
from reconciliation.crm.fields import (
    called_by_company,
    lead_fields,
    listed_person,
    organization_fields,
    person_fields,
)
from reconciliation.crm.reads import CrmReads
from reconciliation.mapping.company_names import known_names
from reconciliation.plan.contact import Action, KnownState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from krayin.catalogue import Catalogue
    from krayin.client import EntityType, KrayinClient

    from reconciliation.plan.contact import ContactPlan
    from reconciliation.plan.engine import PlanEngine
    from reconciliation.plan.matching import KnownPersons
    from reconciliation.sync_database.mapping_row import MappingRow


class PlanReads:
    """Krayin's present records for planning.

    The leads of persons about to be adopted are read for every plan, a hundred persons a call:
    whether each gets a new lead or has one is most of the cost. Only a plan that is not carried out
    (`exact`) reads the records to be updated as well; carrying it out reads them anyway, so that
    for a real run what was last sent is near enough.
    """

    def __init__(self, client: KrayinClient, catalogue: Catalogue, *, exact: bool) -> None:
        """Read through `client`."""
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
    """Return by contact what is there of each that is adopted or updated and has a person.

    `reads` looks at Krayin for what the snapshot of persons does not hold; without it nothing does.
    """
    person_ids: dict[int, int] = {}
    lead_ids: dict[int, int] = {}
    without_lead: dict[int, int] = {}
    for plan in plans:
        if plan.action not in {Action.ADOPT, Action.UPDATE}:
            continue
        contact_id = plan.contact.contact_id
        person, lead = known[contact_id]["person"], known[contact_id]["lead"]
        person_id = plan.adopt.get("person", person.crm_id)
        if person_id is not None:
            person_ids[contact_id] = person_id
        if lead.crm_id is not None:
            lead_ids[contact_id] = lead.crm_id
        elif person_id is not None:
            without_lead[contact_id] = person_id
    leads_of: dict[int, list[Lead]] = {}
    shown_persons: dict[int, Mapping[str, Any]] = {}
    shown_leads: dict[int, Mapping[str, Any]] = {}
    if reads is not None:
        leads_of = _free(engine, reads.leads_of(without_lead.values()))
        shown_persons = reads.persons(person_ids.values())
        shown_leads = reads.leads(lead_ids.values())
    shown = {
        contact_id: shown_persons.get(person_id) or (facts and listed_person(facts))
        for contact_id, person_id in person_ids.items()
        for facts in (persons.facts.get(person_id),)
    }
    # The organizations of persons go by the companies we know them for.
    ids = ((fields or {}).get("organization_id") for fields in shown.values())
    names = known_names(engine.connection, engine.identity.target_id, ids)
    for plan in plans if names else ():
        contact_id = plan.contact.contact_id
        fields = shown.get(contact_id)
        if fields is not None:
            sent = (known[contact_id]["person"].last_sent or {}).get("organization")
            shown[contact_id] = called_by_company(fields, names, plan.contact.person["organization"], sent)
    return {
        contact_id: KnownState(
            person=shown[contact_id],
            lead=shown_leads.get(lead_ids.get(contact_id, 0)),
            leads=leads_of.get(person_id),
        )
        for contact_id, person_id in person_ids.items()
    }


def _free(engine: PlanEngine, leads_of: Mapping[int, list[Lead]]) -> dict[int, list[Lead]]:
    ids = [lead.id for leads in leads_of.values() for lead in leads]
    owned = {row[0] for row in engine.execute("mapping/owned", crm_ids=ids)} if ids else set()
    return {one: [lead for lead in leads if lead.id not in owned] for one, leads in leads_of.items()}
