"""Reopens leads that we closed while their contacts were not to be seen in Chatwoot."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from reconciliation.crm.fields import lead_update
from reconciliation.mapping.merge import Merged
from reconciliation.sync_database.ledger import REOPEN

if TYPE_CHECKING:
    from krayin.catalogue import Catalogue
    from krayin.client import KrayinClient
    from krayin.payloads import LeadUpdate
    from krayin.records import Lead

    from reconciliation.crm.reads import CrmReads
    from reconciliation.sync_database.ledger import Ledger, Operation
    from reconciliation.sync_database.removals import RemovalMemory

log = logging.getLogger(__name__)

REOPEN_LEAD = "reopen_lead"


@dataclass(frozen=True, slots=True)
class Reopening:
    """Moves a lead back to where it stood before we closed it, unless somebody has decided about it since."""

    client: KrayinClient
    ledger: Ledger
    memory: RemovalMemory
    reads: CrmReads
    catalogue: Catalogue

    def reopen(self, operation: Operation, lead: Lead) -> Lead | None:
        """Return the lead reopened; None when it is not ours to reopen. `lead` is as Krayin shows it.

        Raises:
            KrayinError: a call failed; the loader decides how to go on.
            LeaseLostError: the operation passed to another worker.
        """
        target_id = operation.identity.target_id
        tried = operation.step == REOPEN_LEAD
        closed = lead.stage_id is not None and self.catalogue.is_final_stage(lead.stage_id)
        if not (closed or tried or REOPEN in operation.payload):
            return None
        closing = self.memory.closing_of(target_id, lead.id)
        if closing is None:
            return None
        if tried and lead.stage_id == closing.stage_id:
            # The answer was lost, the move was not.
            self.memory.end_closing(target_id, lead.id, "reopened")
            return lead
        if not closing.stands(lead) or self.catalogue.pipeline_of_stage(closing.stage_id) is None:
            self.memory.end_closing(target_id, lead.id, "left")
            return None
        update = stage_update(self.reads, lead.id, lead_pipeline_stage_id=closing.stage_id)
        intend = partial(self.ledger.intend, operation, REOPEN_LEAD)
        with self.client.operation(operation.id, before_write=intend):
            lead = self.client.update_lead(lead.id, update)
        self.memory.end_closing(target_id, lead.id, "reopened")
        log.info("Lead %d reopened: contact %s is in Chatwoot again.", lead.id, operation.source_id)
        return lead


def stage_update(reads: CrmReads, lead_id: int, **changes: Any) -> LeadUpdate:
    """Return an update of a lead that changes these columns and keeps whatever an absent key would wipe."""
    stored = reads.entity("leads", lead_id) or {}
    nothing = Merged(values={}, changed=(), kept=())
    update = lead_update(stored, nothing, reads.attributes.booleans("leads"))
    return type(update).model_validate({**update.model_dump(exclude_unset=True), **changes})
