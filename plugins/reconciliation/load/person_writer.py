"""Brings one contact's person over: take over, create with its lead, or update."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from krayin.catalogue import EmailDemand
from krayin.errors import OutcomeUnknown, Rejected
from krayin.folding import fold_name

from reconciliation.crm.fields import (
    called_by_company,
    lead_draft,
    person_draft,
    person_fields,
    person_update,
)
from reconciliation.load.contact_work import (
    CREATE_CONTACT,
    CREATIONS,
    RELEASE,
    RELEASED,
    UPDATE_PERSON,
    ContactWork,
    Stop,
)
from reconciliation.load.pending_write import resolve_pending_write
from reconciliation.mapping.contact import natural_keys
from reconciliation.mapping.merge import flatten, merge
from reconciliation.plan.expectation import with_address
from reconciliation.plan.matching import is_marked
from reconciliation.sync_database.ledger import OperationState, Outcome
from reconciliation.values.timing import same_moment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from krayin.catalogue import Catalogue
    from krayin.client import KrayinClient
    from krayin.records import CreatedLead, Person

    from reconciliation.crm.reads import CrmReads
    from reconciliation.crm.snapshot import PersonSnapshot
    from reconciliation.load.contact_records import ContactRecords
    from reconciliation.load.person_search import FoundPerson, PersonSearch
    from reconciliation.mapping.desired_contact import Fields
    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.settings.targets import LeadTargets
    from reconciliation.sync_database.ledger import Ledger, Operation
    from reconciliation.sync_database.mapping_row import MappingRow
    from reconciliation.sync_database.mapping_store import MappingStore


def reserved(
    operation: Operation, person: Fields, demand: EmailDemand, last_sent: Mapping[str, Any] | None = None
) -> Fields:
    """Return the fields of an operation's person, with a reserved address where it is demanded."""
    return with_address(person, operation.identity.account_id, int(operation.source_id), demand, last_sent)


@dataclass(frozen=True, slots=True)
class PersonWriter:
    """Writes the persons of one sync's contacts."""

    client: KrayinClient
    ledger: Ledger
    store: MappingStore
    reads: CrmReads
    snapshot: PersonSnapshot
    catalogue: Catalogue
    targets: LeadTargets
    settings: SyncSettings
    records: ContactRecords
    search: PersonSearch

    def with_address(
        self, operation: Operation, person: Fields, last_sent: Mapping[str, Any] | None
    ) -> Fields:
        """Return a person's fields with a made-up address where Krayin demands one."""
        takes_no_email = True
        if not person["emails"] and self.catalogue.email_required():
            # Trying tells where nothing else does.
            takes_no_email = self.client.takes_no_email(self.snapshot.anybody_has_an_email) is not False
        return reserved(operation, person, self.catalogue.email_demand(takes_no_email), last_sent)

    def release(self, work: ContactWork) -> Outcome:
        """Take from the person what another contact is waiting for; the rest follows in its turn.

        Two contacts that swap an e-mail or phone block each other: Krayin lets nobody have a value
        that somebody else has. So one of them first has neither.
        """
        row = work.row("person")
        stored = None if row is None or row.crm_id is None else self.reads.entity("persons", row.crm_id)
        if row is not None and row.crm_id is not None and stored is not None:
            present: Mapping[str, Any] = person_fields(stored, self.records.custom("persons"))
            region = self.settings.default_phone_region
            held = set(natural_keys(present["emails"], present["phones"], region))
            kept = {
                "emails": [one for one in work.person["emails"] if {*natural_keys([one], [], region)} & held],
                "phones": [one for one in work.person["phones"] if {*natural_keys([], [one], region)} & held],
            }
            desired = self.with_address(work.operation, kept, present)
            base, present = resolve_pending_write(
                last_sent=row.last_sent,
                pending_write=row.pending_write,
                present=present,
                desired=desired,
                phone_region=region,
            )
            merged = merge(
                last_sent=base,
                present=present,
                desired=desired,
                on_crm_edit=self.settings.on_crm_edit,
                phone_region=region,
            )
            if merged.changed:
                update = person_update(stored, merged, self.records.booleans("persons"))
                with self.records.intent(work, RELEASE, self.records.attempting(row, base, merged)):
                    self.client.update_person(row.crm_id, update)
                self.reads.written("persons", row.crm_id)
        return Outcome(OperationState.PLANNED, step=RELEASED)

    def link(self, work: ContactWork) -> bool:
        """Find or create the contact's person; return True when everything was created in one call."""
        if work.is_gone("person") and not self.settings.recreate_deleted:
            raise Stop(
                Outcome(
                    OperationState.REJECTED,
                    error_class="deleted_in_krayin",
                    error_message="its person was deleted in Krayin; set recreate_deleted to make it again",
                )
            )
        if "person" in work.adopt and self.reads.entity("persons", work.adopt["person"]) is not None:
            self._adopt(work, work.adopt["person"])
            return False
        # What was planned as new may have been made since, by another sync of this Krayin.
        if work.was_tried or self.search.seen(work):
            found = self.search.find(work)
            if found is not None:
                self._adopt_found(work, found)
                return False
        try:
            created = self._create(work)
        except Rejected as rejection:
            if not rejection.refused_addresses():
                raise
            found = self.search.find(work)
            if found is None:
                # Somebody has the address in a form the search cannot see; asking again would give the same.
                raise
            self._adopt(work, found.person.id)
            return False
        except OutcomeUnknown as failure:
            # Where Krayin failed because there was no e-mail, it answered, and made nothing.
            if not self._may_lack_an_email(work, failure) or self.search.find(work) is not None:
                raise
            work.person = reserved(work.operation, work.person, EmailDemand.ALWAYS)
            created = self._create(work)
        self._ack_created(work, created)
        return True

    def _may_lack_an_email(self, work: ContactWork, failure: OutcomeUnknown) -> bool:
        return (
            failure.status == HTTPStatus.INTERNAL_SERVER_ERROR
            and not work.person["emails"]
            and self.catalogue.email_required()
            and self.client.dialect.takes_no_email is None
        )

    def _create(self, work: ContactWork) -> CreatedLead:
        draft = lead_draft(
            work.lead,
            self.targets,
            booleans=self.records.booleans("leads"),
            person=person_draft(
                work.person,
                owner_id=self.targets.owner_id,
                booleans=self.records.booleans("persons"),
                email_required=self.catalogue.email_required(),
            ),
        )
        with self.records.intent(work, CREATE_CONTACT):
            return self.client.create_lead(draft)

    def _adopt(self, work: ContactWork, person_id: int) -> None:
        self.records.link(work, "person", person_id, origin="adopted")
        work.result["person"] = "adopted"
        if "lead" in work.adopt and work.row("lead") is None:
            lead = next((one for one in self.reads.leads_of(person_id) if one.id == work.adopt["lead"]), None)
            if lead is not None:
                self.records.link(work, "lead", lead.id, origin="adopted")
                work.result["lead"] = "adopted"

    def _adopt_found(self, work: ContactWork, found: FoundPerson) -> None:
        """Link the person found after a creation without an answer.

        If that creation made it, what it wrote counts as sent, and what differs by now was typed
        by a salesperson. In doubt the person is adopted: then nothing in it is ever overwritten.
        """
        leads = self.reads.leads_of(found.person.id) if work.operation.step in CREATIONS else []
        ours = found.is_new or any(is_marked(lead, work.lead) for lead in leads)
        self.records.link(
            work,
            "person",
            found.person.id,
            origin="created" if ours else "adopted",
            last_sent=flatten(work.person) if ours else None,
        )
        work.result["person"] = "created" if ours else "adopted"

    def _ack_created(self, work: ContactWork, created: CreatedLead) -> None:
        person, lead = created.person, created.lead
        assert person is not None
        with self.records.lineage.linking(person=person, lead=lead), self.ledger.transaction():
            self.ledger.progress(work.operation, f"{CREATE_CONTACT}:done")
            self.records.store_link(
                work,
                "person",
                person.id,
                "created",
                work.person_hash,
                flatten(work.person),
                person.created_at,
            )
            self.records.store_link(
                work, "lead", lead.id, "created", work.lead_hash, flatten(work.lead), lead.created_at
            )
            made_at = person.organization_created_at
            is_made = person.created_at is not None and same_moment(made_at, person.created_at)
            self.records.link_organization(work, person.organization_id, is_made=is_made)
        self.snapshot.record([person])
        work.result |= {"person": "created", "lead": "created"}

    def upsert(self, work: ContactWork) -> None:
        """Update the linked person where it differs.

        Raises:
            Stop: the person was deleted in Krayin.
        """
        row = work.row("person")
        assert row is not None
        assert row.crm_id is not None
        if row.acked_hash == work.person_hash:
            return
        stored = self.reads.entity("persons", row.crm_id)
        if stored is None:
            self.records.lost(work, "person", row)
            return
        desired = flatten(work.person)
        base, present = resolve_pending_write(
            last_sent=row.last_sent,
            pending_write=row.pending_write,
            present=self._shown(work, row, stored),
            desired=desired,
            phone_region=self.settings.default_phone_region,
        )
        merged = merge(
            last_sent=base,
            present=present,
            desired=desired,
            on_crm_edit=self.settings.on_crm_edit,
            phone_region=self.settings.default_phone_region,
        )
        organization_id, is_made = stored.get("organization_id"), False
        if merged.changed:
            self.ledger.allow(work.operation, merged.overwriting("person"))
            update = person_update(stored, merged, self.records.booleans("persons"))
            with self.records.intent(work, UPDATE_PERSON, self.records.attempting(row, base, merged)):
                person = self.client.update_person(row.crm_id, update)
            self.reads.written("persons", row.crm_id)
            self.snapshot.record([person])
            if "organization" in merged.changed:
                organization_id, made_at = self._organization_of(work, person)
                is_made = person.updated_at is not None and same_moment(made_at, person.updated_at)
        with self.ledger.transaction():
            self.ledger.progress(work.operation, f"{UPDATE_PERSON}:done")
            self.store.ack(row.id, work.person_hash, merged.last_sent)
            if "organization" not in merged.kept:
                self.records.link_organization(work, organization_id, is_made=is_made)
        work.result.setdefault("person", "updated" if merged.changed else "already_equal")

    def _shown(self, work: ContactWork, row: MappingRow, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Return the person's flat fields; its organization goes by the company we know it for."""
        present = person_fields(stored, self.records.custom("persons"))
        companies = (work.person["organization"], (row.last_sent or {}).get("organization"))
        if not any(companies):
            return present
        known = self.store.company_names(work.operation.identity.target_id, present["organization_id"])
        return called_by_company(present, known, *companies)

    def _organization_of(self, work: ContactWork, person: Person) -> tuple[int | None, datetime | None]:
        """Return the organization a person was given by name: its id, and when it was made.

        The id is None when it need not be known.

        Krayin's answer to the change still shows the organization the person had before.
        """
        name = work.person["organization"]
        if work.organization is None or not name:
            return None, None
        if person.organization_name is not None and fold_name(person.organization_name) == fold_name(name):
            return person.organization_id, person.organization_created_at
        known = self.store.rows(work.operation.identity, "company", [work.organization])
        row = known.get((work.organization, "organization"))
        if row is not None and row.crm_id is not None:
            return None, None
        found = ((one.id, one.created_at) for one in self.client.organizations_by_names([name]))
        return next(found, (None, None))
