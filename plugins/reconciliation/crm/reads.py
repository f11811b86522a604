"""The records of a batch as Krayin shows them now, read in bulk and never older than a merge may use."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from krayin.errors import KrayinError

from reconciliation.crm.fields import CLOSE_DATE, day
from reconciliation.crm.outage import is_outage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from krayin.client import EntityType, KrayinClient
    from krayin.records import Lead, Organization, Person

    from reconciliation.crm.attributes import CurrentAttributes
    from reconciliation.crm.lineage import Lineage
    from reconciliation.crm.listings import Listed

log = logging.getLogger(__name__)

# Seconds. A salesperson may edit a record between our reading and our writing; Krayin has no way to
# refuse a write that is based on an older state, so the gap is kept below fifteen. What is left of
# them beyond USABLE must cover waiting for a slot and the call itself.
USABLE = 11.0


class CrmReads:
    """Krayin's present records by kind (`persons`, `leads`, `organizations`) and id.

    Krayin shows a record in two ways: the lists give its columns, `lookup-entity` the copies it
    keeps of them as attribute values, custom attributes and raw dates among them. Columns count;
    the copies fill in what the lists do not show, and are not there for records that were brought
    into Krayin's database past its own forms and API.
    """

    def __init__(
        self,
        client: KrayinClient,
        attributes: CurrentAttributes,
        monotonic: Callable[[], float] = time.monotonic,
        lineage: Lineage | None = None,
    ) -> None:
        """Read through `client`; `attributes` are brought up to date before records are read.

        `lineage` looks at every record that is read, before anything is made of it.
        """
        self._lineage = lineage
        self._client = client
        self.attributes = attributes
        self._monotonic = monotonic
        self._entities: dict[tuple[EntityType, int], tuple[float, Mapping[str, Any] | None]] = {}
        self._leads: dict[int, tuple[float, list[Lead]]] = {}
        self._expected: dict[EntityType, set[int]] = {}

    def prefetch(self, entity: EntityType, ids: Iterable[int]) -> None:
        """Read some records at once."""
        wanted = sorted(set(ids))
        if not wanted:
            return
        self.attributes.refresh()
        found: dict[int, dict[str, Any]] = {}
        if entity == "leads" or entity in self.attributes.with_custom:
            found = {
                one: dict(raw.values) for one, raw in self._client.lookup_entities(entity, wanted).items()
            }
        if entity == "persons":
            persons = self._client.persons_by_ids(wanted)
            self._look("person", wanted, persons)
            columns = {one.id: person_columns(one) for one in persons}
            found = {one: found.get(one, {}) | shown for one, shown in columns.items()}
        elif entity == "leads":
            leads = self._client.leads_by_ids(wanted)
            self._look("lead", wanted, leads)
            # Changing a single field of a lead leaves the copies of its title and description behind.
            columns = {
                one.id: lead_columns(one)
                | {CLOSE_DATE: one.close_date(day(found.get(one.id, {}).get(CLOSE_DATE)))}
                for one in leads
            }
            found = {one: found.get(one, {}) | shown for one, shown in columns.items()}
        elif entity == "organizations":
            organizations = self._client.organizations_by_ids(wanted)
            self._look("organization", wanted, organizations)
            columns = {one.id: organization_columns(one) for one in organizations}
            found = {one: found.get(one, {}) | shown for one, shown in columns.items()}
        now = self._monotonic()
        for one in wanted:
            self._entities[entity, one] = now, found.get(one)

    def _look(self, crm_kind: str, asked: Sequence[int], records: Sequence[Listed]) -> None:
        if self._lineage is not None:
            self._lineage.shown(crm_kind, asked, records)

    def expect(self, entity: EntityType, ids: Iterable[int]) -> None:
        """Read some records at once when the first of them is asked for, and not before.

        What needs no such record, a person's change say, need not wait for that call.
        """
        self._expected.setdefault(entity, set()).update(ids)

    def prefetch_leads_of(self, person_ids: Iterable[int]) -> None:
        """Read the leads of some persons at once."""
        wanted = sorted(set(person_ids))
        if not wanted:
            return
        leads = self._client.leads_of_persons(wanted)
        self._look("lead", (), leads)
        now = self._monotonic()
        for one in wanted:
            self._leads[one] = now, [lead for lead in leads if lead.person_id == one]

    def entity(self, entity: EntityType, crm_id: int) -> Mapping[str, Any] | None:
        """Return a record as stored, None when Krayin does not have it; read anew unless it is fresh."""
        read = self._entities.get((entity, crm_id))
        if read is None or self._is_old(read[0]):
            self._fetch(entity, crm_id)
            read = self._entities[entity, crm_id]
        return read[1]

    def _fetch(self, entity: EntityType, crm_id: int) -> None:
        expected = self._expected.pop(entity, set())
        if expected > {crm_id}:
            try:
                self.prefetch(entity, expected)
            except KrayinError as error:
                if is_outage(error):
                    raise
                # What one odd record spoils is read one by one.
                log.warning("Reading ahead failed: %s", error)
            else:
                return
        self.prefetch(entity, [crm_id])

    def leads_of(self, person_id: int) -> list[Lead]:
        """Return the leads of a person; read anew unless they are fresh."""
        read = self._leads.get(person_id)
        if read is None or self._is_old(read[0]):
            self.prefetch_leads_of([person_id])
            read = self._leads[person_id]
        return read[1]

    def forget(self) -> None:
        """Forget everything read; for the start of a batch."""
        self._entities.clear()
        self._leads.clear()
        self._expected.clear()

    def written(self, entity: EntityType, crm_id: int) -> None:
        """Forget a record that was just written."""
        self._entities.pop((entity, crm_id), None)

    def _is_old(self, read_at: float) -> bool:
        return self._monotonic() - read_at > USABLE


def person_columns(person: Person) -> dict[str, Any]:
    """Return the columns of a person under the names Krayin stores them by."""
    organization = None
    if person.organization_id is not None:
        organization = {"id": person.organization_id, "name": person.organization_name}
    return {
        "name": person.name,
        "emails": [row.to_row() for row in person.emails],
        "contact_numbers": [row.to_row() for row in person.contact_numbers],
        "job_title": person.job_title,
        "user_id": person.owner_id,
        "organization_id": person.organization_id,
        "organization": organization,
    }


def lead_columns(lead: Lead) -> dict[str, Any]:
    """Return the columns of a lead that are merged, under the names Krayin stores them by."""
    return {"title": lead.title, "description": lead.description, "lead_value": lead.lead_value}


def organization_columns(organization: Organization) -> dict[str, Any]:
    """Return the columns of an organization under the names Krayin stores them by."""
    return {"name": organization.name, "address": organization.address}
