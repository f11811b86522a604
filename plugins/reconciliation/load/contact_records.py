"""What is kept of a contact's person and lead while they are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciliation.load.contact_work import RECREATE, ContactWork, Stop
from reconciliation.sync_database.ledger import OperationState, Outcome
from reconciliation.sync_database.mapping_row import MappingRow, MappingState
from reconciliation.sync_database.mapping_store import AlreadyMappedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime

    from krayin.client import EntityType, KrayinClient

    from reconciliation.crm.lineage import Lineage
    from reconciliation.crm.reads import CrmReads
    from reconciliation.crm.snapshot import PersonSnapshot
    from reconciliation.mapping.merge import Merged
    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.sync_database.ledger import Ledger
    from reconciliation.sync_database.mapping_store import MappingStore


@dataclass(frozen=True, slots=True)
class ContactRecords:
    """Records intents, links and losses of the persons and leads of one sync."""

    client: KrayinClient
    ledger: Ledger
    store: MappingStore
    snapshot: PersonSnapshot
    reads: CrmReads
    settings: SyncSettings
    lineage: Lineage

    def lost(self, work: ContactWork, crm_kind: str, row: MappingRow) -> None:
        """The record was deleted in Krayin: leave it so, or have it made again."""
        self.store.set_state(row.id, MappingState.GONE)
        if crm_kind == "person" and row.crm_id is not None:
            self.snapshot.forget([row.crm_id])
        if self.settings.recreate_deleted:
            raise Stop(Outcome(OperationState.PLANNED, step=RECREATE, result=work.result))
        work.result[crm_kind] = "deleted_in_krayin"
        if crm_kind == "person":
            raise Stop(
                Outcome(
                    OperationState.REJECTED,
                    error_class="deleted_in_krayin",
                    error_message="its person was deleted in Krayin; set recreate_deleted to make it again",
                    result=work.result,
                )
            )

    def link(
        self,
        work: ContactWork,
        crm_kind: str,
        crm_id: int,
        *,
        origin: str,
        last_sent: Mapping[str, Any] | None = None,
    ) -> None:
        """Note in a transaction of its own which record the contact's is.

        Raises:
            Stop: the record belongs to another contact.
        """
        try:
            with self.ledger.transaction():
                self.ledger.progress(work.operation, f"{crm_kind}:linked")
                self.store_link(work, crm_kind, crm_id, origin, None, last_sent, None)
        except AlreadyMappedError:
            owner = self.store.owners(work.operation.identity.target_id, crm_kind, [crm_id]).get(
                crm_id, "another"
            )
            raise Stop(
                Outcome(
                    OperationState.QUARANTINED,
                    error_class=f"{crm_kind}_taken",
                    error_message=f"Krayin {crm_kind} {crm_id} already belongs to {owner}: merge the two "
                    f"contacts in Chatwoot or give them different e-mails and phones, then replay",
                    candidates=({crm_kind: crm_id, "belongs_to": owner},),
                )
            ) from None
        rows = self.store.rows(work.operation.identity, "contact", [work.operation.source_id])
        work.rows = {kind: row for (_, kind), row in rows.items()}

    def store_link(  # noqa: PLR0913, PLR0917 - the columns of one row
        self,
        work: ContactWork,
        crm_kind: str,
        crm_id: int,
        origin: str,
        acked_hash: bytes | None,
        last_sent: Mapping[str, Any] | None,
        crm_created_at: datetime | None,
    ) -> None:
        """Note which record the contact's is, in the transaction that records Krayin's answer."""
        self.store.link(
            work.operation.identity,
            source_kind="contact",
            source_id=work.operation.source_id,
            crm_kind=crm_kind,
            crm_id=crm_id,
            origin=origin,
            acked_hash=acked_hash,
            last_sent=last_sent,
            crm_created_at=crm_created_at,
        )

    def link_organization(
        self, work: ContactWork, organization_id: int | None, *, is_made: bool = False
    ) -> None:
        """Note which organization the contact's company is, if that is known; `is_made`: by this write."""
        if work.organization is None or organization_id is None:
            return
        origin = self.store.link_organization(
            work.operation.identity, work.organization, organization_id, is_made=is_made
        )
        if origin is not None:
            work.result["organization"] = origin

    def intent(
        self, work: ContactWork, step: str, note: Callable[[], None] = lambda: None
    ) -> AbstractContextManager[None]:
        """Return a context whose writing call is intended first, together with what `note` writes."""

        def intend() -> None:
            with self.ledger.transaction():
                self.ledger.intend(work.operation, step)
                note()

        return self.client.operation(work.operation.id, before_write=intend)

    def attempting(
        self, row: MappingRow, base: Mapping[str, Any] | None, merged: Merged
    ) -> Callable[[], None]:
        """Return what notes that an update is about to write what changed."""
        changes = {name: merged.last_sent[name] for name in merged.changed}
        return lambda: self.store.attempt(row, base, changes)

    def booleans(self, entity_type: EntityType) -> tuple[str, ...]:
        """Return the codes of boolean attributes, which every write must carry."""
        return self.reads.attributes.booleans(entity_type)

    def custom(self, entity_type: EntityType) -> tuple[str, ...]:
        """Return the codes of custom attributes."""
        return self.reads.attributes.codes(entity_type)
