"""Brings one company's address and custom fields to its Krayin organization."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciliation.crm.fields import organization_fields, organization_update
from reconciliation.load.outcome import deleted
from reconciliation.load.sink import RecordSteps, Sink, Stop, Work
from reconciliation.plan.organization import company_fields
from reconciliation.store.mapping_row import MappingState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciliation.load.sink import LoadContext
    from reconciliation.store.ledger import Operation


class OrganizationSink(RecordSteps, Sink):
    """Carries out the operations on companies of one sync; an organization is never renamed."""

    crm_kind = "organization"
    entity = "organizations"

    def __init__(self, context: LoadContext) -> None:
        super().__init__(context)
        self.payload, self.put = organization_update, self.client.update_organization

    def prefetch(self, operations: Sequence[Operation]) -> None:
        """Read in bulk what the operations will be merged against."""
        rows = [row for operation in operations for row in self.rows(operation).values()]
        self.reads.prefetch("organizations", {row.crm_id for row in rows if row.crm_id is not None})

    def carry_out(self, operation: Operation) -> Mapping[str, str]:
        """Write what differs of the organization."""
        work = Work(operation, self.rows(operation))
        row = work.rows.get("organization")
        stored = None if row is None or row.crm_id is None else self.reads.entity(self.entity, row.crm_id)
        if row is None or stored is None:
            if row is not None:
                self.store.set_state(row.id, MappingState.GONE)
            raise Stop(deleted("its organization", "the next contact naming it creates it"))
        merged, _ = self.overwrite(
            operation,
            row,
            stored,
            present=organization_fields(stored, self.custom),
            desired=company_fields(operation.payload["organization"]),
        )
        self.updated(work, row, merged, bytes.fromhex(operation.payload["organization_hash"]))
        return work.result
