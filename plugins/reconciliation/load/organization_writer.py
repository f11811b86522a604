"""Brings one company's address and custom fields to its Krayin organization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciliation.crm.fields import organization_fields, organization_update
from reconciliation.load.pending_write import resolve_pending_write
from reconciliation.mapping.merge import merge
from reconciliation.plan.company_planner import company_fields
from reconciliation.sync_database.ledger import OperationState, Outcome
from reconciliation.sync_database.mapping_row import MappingState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from krayin.client import KrayinClient

    from reconciliation.crm.reads import CrmReads
    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.sync_database.ledger import Ledger, Operation
    from reconciliation.sync_database.mapping_store import MappingStore

UPDATE_ORGANIZATION = "update_organization"


@dataclass(frozen=True, slots=True)
class OrganizationWriter:
    """Carries out the operations on companies of one sync; an organization is never renamed."""

    client: KrayinClient
    ledger: Ledger
    store: MappingStore
    reads: CrmReads
    settings: SyncSettings

    def prefetch(self, operations: Sequence[Operation]) -> None:
        """Read in bulk what the operations will be merged against."""
        ids = {
            row.crm_id
            for operation in operations
            for row in self.store.rows(operation.identity, "company", [operation.source_id]).values()
            if row.crm_id is not None
        }
        self.reads.prefetch("organizations", ids)

    def write(self, operation: Operation) -> Outcome:
        """Carry out one operation and return how it ended; what Krayin accepted is already recorded.

        Raises:
            KrayinError: the call failed; the loader decides how to go on.
            LeaseLostError: the operation passed to another worker.
        """
        rows = self.store.rows(operation.identity, "company", [operation.source_id])
        row = rows.get((operation.source_id, "organization"))
        stored = None if row is None or row.crm_id is None else self.reads.entity("organizations", row.crm_id)
        if row is None or row.crm_id is None or stored is None:
            if row is not None:
                self.store.set_state(row.id, MappingState.GONE)
            return Outcome(
                OperationState.REJECTED,
                error_class="deleted_in_krayin",
                error_message="its organization was deleted in Krayin; the next contact naming it creates it",
            )
        codes = self.reads.attributes.codes("organizations")
        booleans = self.reads.attributes.booleans("organizations")
        desired = company_fields(operation.payload["organization"])
        base, present = resolve_pending_write(
            last_sent=row.last_sent,
            pending_write=row.pending_write,
            present=organization_fields(stored, codes),
            desired=desired,
        )
        merged = merge(
            last_sent=base, present=present, desired=desired, on_crm_edit=self.settings.on_crm_edit
        )
        if merged.changed:
            self.ledger.allow(operation, merged.overwriting("organization"))
            changes = {name: merged.last_sent[name] for name in merged.changed}

            def intend() -> None:
                with self.ledger.transaction():
                    self.ledger.intend(operation, UPDATE_ORGANIZATION)
                    self.store.attempt(row, base, changes)

            with self.client.operation(operation.id, before_write=intend):
                self.client.update_organization(row.crm_id, organization_update(stored, merged, booleans))
            self.reads.written("organizations", row.crm_id)
        with self.ledger.transaction():
            self.ledger.progress(operation, f"{UPDATE_ORGANIZATION}:done")
            self.store.ack(row.id, bytes.fromhex(operation.payload["organization_hash"]), merged.last_sent)
        return Outcome(
            OperationState.DONE, result={"organization": "updated" if merged.changed else "already_equal"}
        )
