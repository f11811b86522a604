"""Brings a contact's lead over: create, adopt, complete or update; a new person's goes along with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from krayin.errors import Rejected

from reconciliation.crm.fields import lead_draft, lead_fields, lead_update
from reconciliation.load.lead_targets import place_of
from reconciliation.load.outcome import quarantined
from reconciliation.load.person import (
    CREATE_LEAD,
    CREATIONS,
    RECREATE,
    ContactWork,
    PersonSink,
    made_since_sent,
)
from reconciliation.load.sink import RecordSteps, Stop, without_refused
from reconciliation.model.merge import flatten
from reconciliation.model.timing import EXACT
from reconciliation.plan.matching import is_marked, marked_lead, only_open_lead
from reconciliation.settings.targets import final_stages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from krayin.records import Lead

    from reconciliation.load.lead_stage import WaitingMove
    from reconciliation.load.sink import LoadContext
    from reconciliation.store.ledger import Operation, Outcome


class LeadSink(RecordSteps):
    """Writes the leads of one sync's contacts."""

    crm_kind = "lead"
    entity = "leads"

    def __init__(self, context: LoadContext, persons: PersonSink) -> None:
        """Work with `context`; `persons` writes the contacts' persons, and knows where leads are made."""
        super().__init__(context)
        self.payload, self.put = lead_update, self.client.update_lead
        self.persons, self.stages, self.lead_targets = persons, persons.stages, persons.lead_targets

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
            elif lead := marked_lead(free, operation.payload["lead"]) or self._only_open(operation, free):
                chosen.add(lead.id)
        return chosen

    def upsert(self, work: ContactWork) -> None:
        """Take over, create or update the lead, if one is wanted and the person is linked.

        Raises:
            Stop: the operation ends here.
        """
        person = work.row("person")
        if person is None or person.crm_id is None or work.lead is None:
            return
        if work.is_gone("lead") and not self.settings.recreate_deleted:
            work.result["lead"] = "deleted_in_krayin"
            return
        if work.row("lead") is None:
            lead = self._own_or_only_lead(work, person.crm_id)
            if lead is None:
                self._create(work, person.crm_id, self.stages.waiting(work.operation))
                return
            marked = is_marked(lead, work.lead)
            if marked:
                self._link_lost(work, lead)
            else:
                self.link(work, "lead", lead.id, "adopted")
            # One of ours from before, as under another address of Krayin, is not made by this operation.
            made = marked and work.operation.step in CREATIONS
            work.result["lead"] = "created" if made else "adopted"
        elif self._follow_closed(work, person.crm_id):
            return
        row = work.row("lead")
        assert row is not None
        assert row.crm_id is not None
        if row.acked_hash == work.lead_hash:
            return
        stored = self.reads.entity("leads", row.crm_id)
        if stored is None:
            self.lost(work, row, RECREATE)
            work.result["lead"] = "deleted_in_krayin"
            return
        present = lead_fields(stored, self.custom)
        merged, _ = self.overwrite(work.operation, row, stored, present, flatten(work.lead))
        self.updated(work, row, merged, work.lead_hash)

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
        lost = marked_lead(self._free(work.operation, later), work.wanted_lead)
        if lost is None:
            closed_at = leads[closed].closed_at
            # Without that moment nothing tells what was qualified with which of the two.
            move = self.stages.waiting(work.operation, closed_at + EXACT) if closed_at is not None else None
            self._create(work, person_id, move)
            return True
        # A call of ours that was not answered made it.
        self._link_lost(work, lost)
        work.result["lead"] = "created"
        return False

    def _link_lost(self, work: ContactWork, lead: Lead) -> None:
        """Link a lead that a call of ours made which was not answered."""
        _, stage_id = place_of(work.operation, self.targets)
        sent = self.sent(work.operation, "lead", work.wanted_lead)
        self.link(work, "lead", lead.id, "created", last_sent=sent, made_in_stage=stage_id)

    def _is_closed(self, lead: Lead) -> bool:
        return lead.stage_id is not None and self.catalogue.is_final_stage(lead.stage_id)

    def _own_or_only_lead(self, work: ContactWork, person_id: int) -> Lead | None:
        """Return the lead that a lost call of ours made, else the one that unmistakably is the contact's."""
        person = work.row("person")
        is_new = work.operation.payload.get("is_new") and person is not None and person.origin == "created"
        if is_new and not work.was_tried:
            # Nobody can have given a lead to a person that was made just now.
            return None
        excluded = work.operation.payload.get("not_leads", ())
        leads = [lead for lead in self.reads.leads_of(person_id) if lead.id not in excluded]
        free = self._free(work.operation, leads)
        named = next((lead for lead in free if lead.id == work.adopt.get("lead")), None)
        if named is not None:
            # Somebody decided that it is the one.
            return named
        marked = marked_lead(free, work.wanted_lead)
        if marked is not None:
            return marked
        # Somebody may have changed the description by which we know our own.
        lately = [
            lead
            for lead in free
            if made_since_sent(work.operation, lead.created_at) and not self._is_closed(lead)
        ]
        if len(lately) > 1:
            raise Stop(_undecided(work, lately))
        return lately[0] if lately else self._only_open(work.operation, free)

    def _only_open(self, operation: Operation, free: Sequence[Lead]) -> Lead | None:
        pipeline_id, _ = place_of(operation, self.targets)
        return only_open_lead(free, pipeline_id=pipeline_id, final_stages=final_stages(self.catalogue))

    def _free(self, operation: Operation, leads: Sequence[Lead]) -> list[Lead]:
        if not leads:
            return []
        owned = self.store.owners(operation.identity.target_id, "lead", [lead.id for lead in leads])
        return [lead for lead in leads if lead.id not in owned]

    def _create(self, work: ContactWork, person_id: int, move: WaitingMove | None) -> None:
        row = work.row("person")
        if work.was_tried and row is not None and self.reads.entity("persons", person_id) is None:
            # With a dead person Krayin fails on the lead, and does not say why.
            self.persons.gone(work, row)
        work.move = move
        targets = self.lead_targets.of(work)
        draft = lead_draft(work.wanted_lead, targets, booleans=self.booleans, person_id=person_id)
        try:
            with self.intent(work.operation, CREATE_LEAD, self.stages.note_made_in(move)):
                lead = self.client.create_lead(draft).lead
        except Rejected as refusal:
            left = without_refused(work.operation, refusal, {"": work.wanted_lead})
            if left is None:
                raise
            work.lead = left[""]
            self._create(work, person_id, move)
            return
        with self.lineage.linking(lead=lead):
            sent = self.sent(work.operation, "lead", work.wanted_lead)
            self.link_made(work, "lead", lead, sent, work.lead_hash, made_in_stage=targets.stage_id)
        work.result["lead"] = "created"
        self.stages.finish(work, lead)


def _undecided(work: ContactWork, leads: Sequence[Lead]) -> Outcome:
    ids = ", ".join(str(lead.id) for lead in leads)
    return quarantined(
        "ambiguous_lead",
        f"a call without an answer may have made one of the leads {ids}: say which, or close or delete the "
        "wrong ones in Krayin and try again",
        candidates=[{"lead": lead.id} for lead in leads],
        result=work.result,
    )
