"""Brings one contact's person and lead over: create, adopt, complete or update."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reconciliation.load.contact_records import ContactRecords
from reconciliation.load.contact_work import RELEASE, REPLAYED, ContactWork, Stop
from reconciliation.load.lead_writer import LeadWriter
from reconciliation.load.person_search import PersonSearch
from reconciliation.load.person_writer import PersonWriter
from reconciliation.plan.forecast import LEADS, LEADS_OF, PERSONS, contact_reads
from reconciliation.sync_database.ledger import OperationState, Outcome
from reconciliation.values.timing import DEFAULT, Timing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krayin.catalogue import Catalogue
    from krayin.client import KrayinClient

    from reconciliation.crm.lineage import Lineage
    from reconciliation.crm.reads import CrmReads
    from reconciliation.crm.snapshot import PersonSnapshot
    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.settings.targets import LeadTargets
    from reconciliation.sync_database.ledger import Ledger, Operation
    from reconciliation.sync_database.mapping_row import MappingRow
    from reconciliation.sync_database.mapping_store import MappingStore


@dataclass(slots=True)
class ContactWriter:
    """Carries out the operations on contacts of one sync."""

    client: KrayinClient
    ledger: Ledger
    store: MappingStore
    reads: CrmReads
    snapshot: PersonSnapshot
    catalogue: Catalogue
    targets: LeadTargets
    settings: SyncSettings
    lineage: Lineage
    timing: Timing = DEFAULT
    _persons: PersonWriter = field(init=False)
    _leads: LeadWriter = field(init=False)

    def __post_init__(self) -> None:
        """Make the writers of the two records."""
        records = ContactRecords(
            self.client, self.ledger, self.store, self.snapshot, self.reads, self.settings, self.lineage
        )
        search = PersonSearch(self.client, self.store, self.snapshot, self.settings, self.timing)
        self._persons = PersonWriter(
            client=self.client,
            ledger=self.ledger,
            store=self.store,
            reads=self.reads,
            snapshot=self.snapshot,
            catalogue=self.catalogue,
            targets=self.targets,
            settings=self.settings,
            records=records,
            search=search,
        )
        self._leads = LeadWriter(
            client=self.client,
            ledger=self.ledger,
            store=self.store,
            reads=self.reads,
            catalogue=self.catalogue,
            targets=self.targets,
            settings=self.settings,
            records=records,
        )

    def prefetch(self, operations: Sequence[Operation]) -> None:
        """Read in bulk what the operations will be merged against."""
        if any(operation.step == REPLAYED for operation in operations):
            # Somebody put things right in Krayin, and it may be days since it was looked at.
            self.snapshot.refresh()
        persons: set[int] = set()
        leads: set[int] = set()
        with_leads: set[int] = set()
        without_lead: list[tuple[Operation, int]] = []
        for operation, rows in self._rows_of(operations):
            person, lead = rows.get("person"), rows.get("lead")
            person_id = person.crm_id if person is not None else None
            person_id = person_id or operation.payload["adopt"].get("person")
            reads = contact_reads(
                person,
                lead,
                person_differs=person is not None and person.acked_hash != _hash(operation, "person"),
                lead_differs=lead is not None and lead.acked_hash != _hash(operation, "lead"),
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
        self.reads.expect("leads", leads | self._leads.chosen(without_lead))

    def _rows_of(self, operations: Sequence[Operation]) -> Iterator[tuple[Operation, dict[str, MappingRow]]]:
        by_identity: dict[Any, list[Operation]] = {}
        for operation in operations:
            by_identity.setdefault(operation.identity, []).append(operation)
        for identity, group in by_identity.items():
            rows = self.store.rows(identity, "contact", [operation.source_id for operation in group])
            for operation in group:
                yield (
                    operation,
                    {
                        kind: row
                        for (source_id, kind), row in rows.items()
                        if source_id == operation.source_id
                    },
                )

    def write(self, operation: Operation) -> Outcome:
        """Carry out one operation and return how it ended; what Krayin accepted is already recorded.

        Raises:
            KrayinError: a call failed; the loader decides how to go on.
            LeaseLostError: the operation passed to another worker.
        """
        ((_, rows),) = self._rows_of([operation])
        payload = operation.payload
        known = rows.get("person")
        # A release is not acknowledged before the rest of its change.
        given = {} if known is None else {**(known.last_sent or {}), **(known.pending_write or {})}
        work = ContactWork(
            operation=operation,
            person=self._persons.with_address(operation, payload["person"], given),
            lead=payload["lead"],
            person_hash=bytes.fromhex(payload["person_hash"]),
            lead_hash=bytes.fromhex(payload["lead_hash"]),
            organization=payload["organization"],
            adopt=payload["adopt"],
            rows=rows,
        )
        try:
            if payload.get("release_first") and operation.step in {None, RELEASE}:
                return self._persons.release(work)
            if work.row("person") is None and self._persons.link(work):
                return Outcome(OperationState.DONE, result=work.result)
            self._persons.upsert(work)
            self._leads.upsert(work)
        except Stop as stop:
            return stop.outcome
        return Outcome(OperationState.DONE, result=work.result)


def _hash(operation: Operation, crm_kind: str) -> bytes:
    return bytes.fromhex(operation.payload[f"{crm_kind}_hash"])
