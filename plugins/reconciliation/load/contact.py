"""Brings one contact's person and lead over: create, adopt, complete or update."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciliation.load.lead import LeadSink
from reconciliation.load.lead_stage import LeadStageSink
from reconciliation.load.lead_targets import LeadTargetSteps
from reconciliation.load.named_settings import NamedSettings
from reconciliation.load.outcome import deleted, later, obsolete
from reconciliation.load.person import (
    RELEASE,
    REPLAYED,
    ContactWork,
    PersonSink,
)
from reconciliation.load.sink import Sink, Stop
from reconciliation.load.tags import TagSteps
from reconciliation.model.desired_contact import contact_of
from reconciliation.plan.estimate import LEADS, LEADS_OF, PERSONS, contact_reads
from reconciliation.store.mapping_row import MappingState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciliation.load.sink import LoadContext
    from reconciliation.store.ledger import Operation
    from reconciliation.store.mapping_row import MappingRow


class ContactSink(Sink):
    """Carries out the operations on contacts of one sync."""

    TAKEN = "merge the two contacts in Chatwoot or give them different e-mails and phones"

    def __init__(self, context: LoadContext) -> None:
        super().__init__(context)
        named = NamedSettings(context)
        self.persons = PersonSink(context, LeadStageSink(context), LeadTargetSteps(context, named))
        self.leads = LeadSink(context, self.persons)
        self.tags = TagSteps(context, named)

    def prefetch(self, operations: Sequence[Operation]) -> None:
        """Read in bulk what the operations will be merged against."""
        if any(one.step == REPLAYED or one.error_class == "address_refused" for one in operations):
            # Somebody put things right in Krayin, and it may be days since it was looked at. Or somebody has
            # the address there: who, is to be shown.
            self.snapshot.refresh()
        persons: set[int] = set()
        leads: set[int] = set()
        with_leads: set[int] = set()
        without_lead: list[tuple[Operation, int]] = []
        for operation in operations:
            rows = self.rows(operation)
            person, lead = rows.get("person"), rows.get("lead")
            person_id = person.crm_id if person is not None else None
            person_id = person_id or operation.payload["adopt"].get("person")
            reads = contact_reads(
                person,
                lead,
                person_differs=person is not None and person.acked_hash != _hash(operation, "person"),
                lead_differs=operation.payload["lead"] is not None
                and (lead is None or lead.acked_hash != _hash(operation, "lead")),
                adopts_person="person" in operation.payload["adopt"],
            )
            if PERSONS in reads:
                persons.add(person_id)
            if LEADS in reads and lead is not None and lead.crm_id is not None:
                leads.add(lead.crm_id)
            if LEADS_OF in reads or operation.payload.get("follows_lead"):
                with_leads.add(person_id)
                if lead is None or lead.crm_id is None:
                    without_lead.append((operation, person_id))
        self.reads.prefetch("persons", persons)
        self.reads.prefetch_leads_of(with_leads)
        # Leads are looked at after the first person was written: its change arrives calls sooner.
        self.reads.expect("leads", leads | self.leads.chosen(without_lead))

    def carry_out(self, operation: Operation) -> Mapping[str, str]:
        """Bring person and lead over, or first give up addresses that another contact waits for."""
        payload, rows = operation.payload, self.rows(operation)
        known = rows.get("person")
        # A release is not acknowledged before the rest of its change.
        given = {} if known is None else {**(known.last_sent or {}), **(known.pending_write or {})}
        wanted = payload["person"]
        if payload.get("apart"):
            wanted = self.persons.apart(operation, wanted, known)
        work = ContactWork(
            operation=operation,
            rows=rows,
            person=self.persons.with_address(operation, wanted, given),
            lead=payload["lead"],
            person_hash=_hash(operation, "person"),
            lead_hash=_hash(operation, "lead"),
            organization=payload["organization"],
            adopt=payload["adopt"],
            # Plans of an earlier version have none.
            owner=payload.get("owner") or self.targets.owner_id,
        )
        if payload.get("release_first") and operation.step in {None, RELEASE}:
            self.persons.release(work)
        if work.row("person") is not None or not self.persons.link_or_create(work):
            self.persons.upsert(work)
            self.leads.upsert(work)
        # Plans of an earlier version say nothing of tags.
        self.tags.keep(work, payload.get("tags") or {})
        return work.result


class FurtherLeadSink(Sink):
    """Carries out the operations on leads that contacts of one sync have for further inboxes."""

    TAKEN = "say which inbox it is of by closing or deleting the wrong one in Krayin"

    def __init__(self, context: LoadContext, contacts: ContactSink) -> None:
        """Work with the steps of `contacts`, which know what was found and made by name."""
        super().__init__(context)
        self.leads, self.tags = contacts.leads, contacts.tags

    def prefetch(self, operations: Sequence[Operation]) -> None:
        """Read in bulk what the operations will be merged against."""
        leads: set[int] = set()
        with_leads: set[int] = set()
        without_lead: list[tuple[Operation, int]] = []
        for operation in operations:
            lead, person = self.rows(operation).get("lead"), self._person(operation)
            if person is None or person.crm_id is None:
                continue
            is_linked = lead is not None and lead.crm_id is not None
            if is_linked and lead is not None and lead.acked_hash != _hash(operation, "lead"):
                leads.add(lead.crm_id or 0)
            if operation.payload.get("follows_lead"):
                with_leads.add(person.crm_id)
            elif not is_linked and not (operation.payload.get("is_new") and operation.step is None):
                with_leads.add(person.crm_id)
                without_lead.append((operation, person.crm_id))
        self.reads.prefetch_leads_of(with_leads)
        self.reads.expect("leads", leads | self.leads.chosen(without_lead))

    def carry_out(self, operation: Operation) -> Mapping[str, str]:
        """Bring the lead over, once its contact's person is linked."""
        person = self._person(operation)
        if person is None or person.state is MappingState.ORPHANED:
            raise Stop(obsolete("contact_gone", "its contact is not brought over any more"))
        if person.state is MappingState.GONE:
            raise Stop(deleted("the person of its contact"))
        if person.state is not MappingState.LINKED:
            message = "its contact is not linked to a person yet"
            raise Stop(later("contact_not_linked", message, self.timing.next_run))
        payload = operation.payload
        work = ContactWork(
            operation=operation,
            rows={**self.rows(operation), "person": person},
            person={},
            lead=payload["lead"],
            person_hash=b"",
            lead_hash=_hash(operation, "lead"),
            organization=None,
            adopt=payload["adopt"],
            owner=self.targets.owner_id,
        )
        self.leads.upsert(work)
        self.tags.keep(work, payload["tags"])
        return work.result

    def _person(self, operation: Operation) -> MappingRow | None:
        contact_id = contact_of(operation.source_id)
        return self.store.rows_of(operation.identity, "contact", str(contact_id)).get("person")


def _hash(operation: Operation, crm_kind: str) -> bytes:
    return bytes.fromhex(operation.payload[f"{crm_kind}_hash"])
