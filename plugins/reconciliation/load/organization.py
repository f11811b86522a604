"""Brings one company's address and custom fields to its Krayin organization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciliation.crm.fields import organization_fields, organization_update
from reconciliation.load.sink import RecordSteps, Sink, Stop, Work, deleted
from reconciliation.plan.company_planner import company_fields
from reconciliation.sync_database.mapping_row import MappingState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from krayin.records import Organization

    from reconciliation.mapping.merge import Merged
    from reconciliation.sync_database.ledger import Operation


class OrganizationSink(RecordSteps, Sink):
    """Carries out the operations on companies of one sync; an organization is never renamed."""

    crm_kind = "organization"
    entity = "organizations"

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

    def send(self, crm_id: int, stored: Mapping[str, Any], merged: Merged) -> Organization:
        """Write what a merge changed of an organization."""
        return self.client.update_organization(crm_id, organization_update(stored, merged, self.booleans))
