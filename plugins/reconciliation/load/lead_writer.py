"""Brings one contact's lead over: take over, create or update."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciliation.crm.fields import lead_draft, lead_fields, lead_update
from reconciliation.load.contact_work import CREATE_LEAD, CREATIONS, UPDATE_LEAD, ContactWork, Stop
from reconciliation.load.pending_write import resolve_pending_write
from reconciliation.mapping.merge import flatten, merge
from reconciliation.plan.matching import is_marked, marked_lead, only_open_lead
from reconciliation.settings.targets import final_stages
from reconciliation.sync_database.ledger import OperationState, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from krayin.catalogue import Catalogue
    from krayin.client import KrayinClient
    from krayin.records import Lead

    from reconciliation.crm.reads import CrmReads
    from reconciliation.load.contact_records import ContactRecords
    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.settings.targets import LeadTargets
    from reconciliation.sync_database.ledger import Ledger, Operation
    from reconciliation.sync_database.mapping_store import MappingStore


@dataclass(frozen=True, slots=True)
class LeadWriter:
    """Writes the leads of one sync's contacts."""

    client: KrayinClient
    ledger: Ledger
    store: MappingStore
    reads: CrmReads
    catalogue: Catalogue
    targets: LeadTargets
    settings: SyncSettings
    records: ContactRecords

    def chosen(self, operations: Sequence[tuple[Operation, int]]) -> set[int]:
        """Return the leads that the operations are going to take over."""
        if not operations:
            return set()
        leads_of = {person_id: self.reads.leads_of(person_id) for _, person_id in operations}
        every = [lead for leads in leads_of.values() for lead in leads]
        unowned = {lead.id for lead in self._free(operations[0][0], every)}
        chosen: set[int] = set()
        for operation, person_id in operations:
            free = [lead for lead in leads_of[person_id] if lead.id in unowned]
            named = operation.payload["adopt"].get("lead")
            if any(lead.id == named for lead in free):
                chosen.add(named)
            elif lead := marked_lead(free, operation.payload["lead"]) or self._only_open(free):
                chosen.add(lead.id)
        return chosen

    def upsert(self, work: ContactWork) -> None:
        """Take over, create or update the lead; nothing happens while the person is not linked.

        Raises:
            Stop: the operation ends here.
        """
        person = work.row("person")
        if person is None or person.crm_id is None:
            return
        if work.is_gone("lead") and not self.settings.recreate_deleted:
            work.result["lead"] = "deleted_in_krayin"
            return
        if work.row("lead") is None:
            lead = self._own_or_only_lead(work, person.crm_id)
            if lead is None:
                self._create(work, person.crm_id)
                return
            marked = is_marked(lead, work.lead)
            self.records.link(
                work,
                "lead",
                lead.id,
                origin="created" if marked else "adopted",
                last_sent=flatten(work.lead) if marked else None,
            )
            # One of ours from before, as under another address of Krayin, is not made by this operation.
            made = marked and work.operation.step in CREATIONS
            work.result["lead"] = "created" if made else "adopted"
        elif self._follow_closed(work, person.crm_id):
            return
        self._update(work)

    def _follow_closed(self, work: ContactWork, person_id: int) -> bool:
        """Give the contact a new lead after its closed one, if that is planned and still closed."""
        row = work.row("lead")
        closed = work.operation.payload.get("follows_lead")
        if closed is None or row is None or row.crm_id != closed:
            return False
        leads = {lead.id: lead for lead in self.reads.leads_of(person_id)}
        if closed not in leads or not self._is_closed(leads[closed]):
            return False
        later = [lead for lead in leads.values() if lead.id > closed]
        lost = marked_lead(self._free(work.operation, later), work.lead)
        if lost is None:
            self._create(work, person_id)
            return True
        # A call of ours that was not answered made it.
        self.records.link(work, "lead", lost.id, origin="created", last_sent=flatten(work.lead))
        work.result["lead"] = "created"
        return False

    def _is_closed(self, lead: Lead) -> bool:
        return lead.stage_id is not None and self.catalogue.is_final_stage(lead.stage_id)

    def _own_or_only_lead(self, work: ContactWork, person_id: int) -> Lead | None:
        """Return the lead that a lost call of ours made, else the one that unmistakably is the contact's."""
        free = self._free(work.operation, self.reads.leads_of(person_id))
        marked = marked_lead(free, work.lead)
        if marked is not None:
            return marked
        # Somebody may have changed the description by which we know our own.
        lately = [
            lead for lead in free if work.made_since_sent(lead.created_at) and not self._is_closed(lead)
        ]
        if len(lately) > 1:
            raise Stop(_undecided(work, lately))
        return lately[0] if lately else self._only_open(free)

    def _only_open(self, free: Sequence[Lead]) -> Lead | None:
        return only_open_lead(
            free, pipeline_id=self.targets.pipeline_id, final_stages=final_stages(self.catalogue)
        )

    def _free(self, operation: Operation, leads: Sequence[Lead]) -> list[Lead]:
        if not leads:
            return []
        owned = self.store.owners(operation.identity.target_id, "lead", [lead.id for lead in leads])
        return [lead for lead in leads if lead.id not in owned]

    def _create(self, work: ContactWork, person_id: int) -> None:
        row = work.row("person")
        if work.was_tried and row is not None and self.reads.entity("persons", person_id) is None:
            # With a dead person Krayin fails on the lead, and does not say why.
            self.records.lost(work, "person", row)
        draft = lead_draft(
            work.lead, self.targets, booleans=self.records.booleans("leads"), person_id=person_id
        )
        with self.records.intent(work, CREATE_LEAD):
            created = self.client.create_lead(draft)
        lead = created.lead
        with self.records.lineage.linking(lead=lead), self.ledger.transaction():
            self.ledger.progress(work.operation, "lead:linked")
            self.records.store_link(
                work, "lead", lead.id, "created", work.lead_hash, flatten(work.lead), lead.created_at
            )
        work.result["lead"] = "created"

    def _update(self, work: ContactWork) -> None:
        row = work.row("lead")
        assert row is not None
        assert row.crm_id is not None
        if row.acked_hash == work.lead_hash:
            return
        stored = self.reads.entity("leads", row.crm_id)
        if stored is None:
            self.records.lost(work, "lead", row)
            return
        desired = flatten(work.lead)
        base, present = resolve_pending_write(
            last_sent=row.last_sent,
            pending_write=row.pending_write,
            present=lead_fields(stored, self.records.custom("leads")),
            desired=desired,
        )
        merged = merge(
            last_sent=base, present=present, desired=desired, on_crm_edit=self.settings.on_crm_edit
        )
        if merged.changed:
            self.ledger.allow(work.operation, merged.overwriting("lead"))
            update = lead_update(stored, merged, self.records.booleans("leads"))
            with self.records.intent(work, UPDATE_LEAD, self.records.attempting(row, base, merged)):
                self.client.update_lead(row.crm_id, update)
            self.reads.written("leads", row.crm_id)
        with self.ledger.transaction():
            self.ledger.progress(work.operation, f"{UPDATE_LEAD}:done")
            self.store.ack(row.id, work.lead_hash, merged.last_sent)
        work.result.setdefault("lead", "updated" if merged.changed else "already_equal")


def _undecided(work: ContactWork, leads: Sequence[Lead]) -> Outcome:
    ids = ", ".join(str(lead.id) for lead in leads)
    return Outcome(
        OperationState.QUARANTINED,
        error_class="ambiguous_lead",
        error_message=f"a call without an answer may have made one of the leads {ids}: close or delete the "
        f"wrong ones in Krayin, then replay",
        candidates=tuple({"lead": lead.id} for lead in leads),
        result=work.result,
    )
