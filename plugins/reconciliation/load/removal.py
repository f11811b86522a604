"""Removes from Krayin what is gone in Chatwoot: closes leads, deletes records, frees addresses."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from krayin.errors import DeletionsLimited, NotFound, Rejected
from statements import statement

from reconciliation.crm.fields import person_fields, person_update
from reconciliation.crm.person_deletions import PERSON_DELETIONS
from reconciliation.load.lead_stage import LeadMover
from reconciliation.load.outcome import later, quarantined
from reconciliation.load.person import reserved
from reconciliation.load.sink import Stop
from reconciliation.load.still_gone import Presence
from reconciliation.model.contact import addresses_where
from reconciliation.model.merge import Merged
from reconciliation.plan.engine import OperationRow
from reconciliation.plan.estimate import (
    DOOMED_ACTIVITIES,
    DOOMED_LEADS,
    DOOMED_PERSONS,
    LEADS,
    LEADS_OF,
    PERSONS,
    Expected,
)
from reconciliation.store.ledger import REMOVAL, OperationState, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import timedelta

    from krayin.records import Lead

    from reconciliation.crm.person_deletions import PersonDeletions
    from reconciliation.load.sink import LoadContext
    from reconciliation.load.still_gone import SourceCheck
    from reconciliation.store.ledger import Operation

log = logging.getLogger(__name__)

LOST = "lost"
# Two hours of asking again.
REFUSALS = 12
# Error classes of removals that wait, need somebody, or are withdrawn.
DELETIONS_LIMITED = "deletions_limited"
PERSON_HAS_LEADS = "person_has_leads"
WITHDRAWN = "withdrawn"
RELEASE, CLOSE = "release_addresses", "close_lead"
WHY_WITHDRAWN = {
    Presence.BACK: "it is in Chatwoot again",
    Presence.ELSEWHERE: "Chatwoot now tells otherwise what became of it; the next comparison decides anew",
}


class RemovalAction(StrEnum):
    """What is done to the records; the values stand in stored operations."""

    CLOSE = "close"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Removal:
    """What is to be removed of the records of one contact, or of one activity, that is gone in Chatwoot.

    Only records that we made are meant. `merged_into` is the contact that the source record was merged
    into, None when it was deleted. `releases` are the e-mails and phones that this surviving contact
    has now: Krayin gives nobody else what somebody has. `keys` are the natural keys of the person,
    `row_ids` the mapping rows, `former` closed leads that `lead` followed.
    """

    source_kind: str
    source_id: str
    action: RemovalAction
    row_ids: Sequence[int]
    merged_into: int | None = None
    person: int | None = None
    lead: int | None = None
    former: Sequence[int] = ()
    activity: int | None = None
    releases: Sequence[str] = ()
    keys: Sequence[str] = ()

    @property
    def expected(self) -> Expected:
        """What it is expected to cost."""
        if self.action is RemovalAction.CLOSE:
            reads = {LEADS} if self.lead is not None else set()
            reads |= {PERSONS} if self.releases else set()
            return Expected((self.lead is not None) + bool(self.releases), frozenset(reads))
        deletions = (self.lead is not None) + len(self.former) + (self.activity is not None)
        # Right before a person is deleted Krayin is asked once more for leads.
        persons = self.person is not None
        alone = self.lead is not None or bool(self.former)
        looks = {
            LEADS_OF: persons,
            DOOMED_PERSONS: persons,
            DOOMED_LEADS: alone and not persons,
            DOOMED_ACTIVITIES: self.activity is not None,
        }
        return Expected(deletions + 2 * persons, frozenset(look for look, wanted in looks.items() if wanted))

    @property
    def removes(self) -> list[str]:
        """What it removes, as `operation.removes` names it."""
        if self.action is RemovalAction.CLOSE:
            return [] if self.lead is None else ["lead.closed"]
        kinds = {"lead": self.lead, "person": self.person, "activity": self.activity}
        return [f"{kind}.deleted" for kind, crm_id in kinds.items() if crm_id is not None]

    def to_operation(self, due_at: str) -> OperationRow:
        """Return the operation that carries it out."""
        removes = self.removes
        return OperationRow(
            source_kind=self.source_kind,
            source_id=self.source_id,
            payload={
                REMOVAL: {
                    "fate": str(self.action),
                    "row_ids": list(self.row_ids),
                    "merged_into": self.merged_into,
                    "person": self.person,
                    "lead": self.lead,
                    "former": list(self.former),
                    "activity": self.activity,
                    "releases": list(self.releases),
                }
            },
            natural_keys=list(self.keys),
            expected=self.expected,
            releases=list(self.releases),
            due_at=due_at,
            changes=removes or [f"person.{name}" for name in ("emails", "phones") if self.releases],
            removes=removes,
        )


class RemovalSink(LeadMover):
    """Carries out removals, each looked up in Chatwoot right before; steps may be repeated without harm."""

    def __init__(self, context: LoadContext, source: SourceCheck, deletions: PersonDeletions) -> None:
        """Work with `context`; `source` looks into Chatwoot, `deletions` keeps Krayin's limit of them."""
        super().__init__(context)
        self.source = source
        self.deletions = deletions

    def prefetch(self, operations: Sequence[Operation]) -> None:
        """Read in bulk what is to be closed or deleted, and which leads the persons to be deleted have.

        A record that is another one than ours by now stops everything here, before it is touched.
        """
        wanted = [operation.payload[REMOVAL] for operation in operations]
        closed = {one["lead"] for one in wanted if not _deletes(one)} - {None}
        self.shown = self.reads.listed("lead", closed)
        self.reads.expect("leads", closed)
        self.reads.expect("persons", {one["person"] for one in wanted if one["releases"]} - {None})
        if self.deletions.wait() is None:
            self.reads.prefetch_leads_of([one["person"] for one in wanted if _deletes_person(one)])
            self._check_in_krayin([one for one in wanted if _deletes(one)])

    def _check_in_krayin(self, deletions: Sequence[Mapping[str, Any]]) -> None:
        """Look whether what is to be deleted is ours; the leads of persons were looked at with these."""
        alone = [one for one in deletions if one["person"] is None]
        self.reads.listed("person", {one["person"] for one in deletions} - {None})
        self.reads.listed("lead", {lead for one in alone for lead in (one["lead"], *one["former"])} - {None})
        self.reads.listed("activity", {one["activity"] for one in deletions} - {None})

    def carry_out(self, operation: Operation) -> Mapping[str, str]:
        """Remove what a removal names, if its reason still stands."""
        wanted = operation.payload[REMOVAL]
        if _deletes_person(wanted) and (wait := self.deletions.wait()) is not None:
            raise Stop(_put_off(wait))
        presence = self.source.look(operation)
        if presence is not Presence.GONE:
            raise Stop(self._left(operation, presence))
        try:
            return self._remove(operation, wanted)
        except DeletionsLimited as limited:
            if limited.status is None:
                raise Stop(_put_off(limited.wait)) from None
            # A refusal and a real failure may look alike: no refusal lasts longer than the limiter's hour.
            if operation.attempts + 1 >= REFUSALS:
                message = f"{limited}; delete the person in Krayin by hand, or replay"
                raise Stop(quarantined("fails_in_krayin", message)) from None
            raise Stop(_put_off(limited.wait, counts_as_attempt=True)) from None

    def _remove(self, operation: Operation, wanted: Mapping[str, Any]) -> dict[str, str]:
        leads = [*wanted.get("former", ()), *([] if wanted["lead"] is None else [wanted["lead"]])]
        result: dict[str, str] = {}
        if wanted["releases"] and wanted["person"] is not None:
            self._release(operation, wanted)
        try:
            if not _deletes(wanted):
                if wanted["lead"] is not None and self._close(operation, wanted["lead"]):
                    result["lead"] = "closed"
            elif wanted["activity"] is not None:
                self._delete(operation, "activity", wanted["activity"], self.client.delete_activity)
                result["activity"] = "deleted"
            else:
                self._delete_records(operation, wanted["person"], leads, result)
        except Rejected:
            raise Stop(_person_has_leads(wanted["person"], result)) from None
        with self.ledger.transaction():
            self.ledger.progress(operation, f"{REMOVAL}:done")
            self.connection.execute(
                statement("mapping/settled"), {"ids": wanted["row_ids"], "erased": _deletes(wanted)}
            )
            if _deletes(wanted) and wanted["activity"] is None:
                self._settle_activities(operation, wanted["person"], leads)
        return result

    def _delete_records(
        self, operation: Operation, person: int | None, leads: Sequence[int], result: dict[str, str]
    ) -> None:
        """Delete leads and their person, all or nothing: first it is made sure that the person may go.

        Raises:
            DeletionsLimited: the person must wait for Krayin's limit.
            Rejected: the person has leads that are not ours.
        """
        stand: Mapping[int, Lead] = {}
        if person is not None:
            stand = {lead.id: lead for lead in self.reads.leads_of(person)}
            if stand.keys() - set(leads):
                raise Rejected(PERSON_HAS_LEADS)
            permit = self.deletions.permit()
        for lead in leads:
            self._delete(operation, "lead", lead, self.client.delete_lead, stood=stand.get(lead))
            result["lead"] = "deleted"
        if person is not None:
            self._delete(operation, "person", person, partial(self.deletions.delete, permit=permit))
            self.snapshot.forget([person])
            result["person"] = "deleted"

    def _left(self, operation: Operation, presence: Presence) -> Outcome:
        """Withdraw a removal that has lost its reason; put off one whose reason cannot be seen now."""
        if presence is Presence.UNSEEN:
            message = "Chatwoot does not show whether the record is gone; it is looked up again"
            return later("chatwoot_not_seen", message, self.timing.next_run)
        if presence is Presence.BACK:
            records = {"source_kind": operation.source_kind, "source_ids": [operation.source_id]}
            with self.ledger.transaction():
                self.ledger.progress(operation, f"{REMOVAL}:withdrawn")
                self.connection.execute(
                    statement("mapping/returned"), {**operation.identity.parameters(), **records}
                )
            log.info("%s withdrawn: it is in Chatwoot again.", operation)
        return Outcome(
            OperationState.SUPERSEDED, error_class=WITHDRAWN, error_message=WHY_WITHDRAWN[presence]
        )

    def _delete(
        self,
        operation: Operation,
        kind: str,
        crm_id: int,
        delete: Callable[[int], object],
        *,
        stood: Lead | None = None,
    ) -> None:
        """Delete one record, remembered before and noted after: whatever stops the rest, this one is gone."""
        before = {} if stood is None else _standing(stood)
        note = partial(self.memory.remember, operation, "deleted", kind, crm_id, before=before)
        with self.intent(operation, f"delete_{kind}", note):
            delete(crm_id)
        self.memory.forget_record(operation, kind, crm_id)

    def _settle_activities(self, operation: Operation, person: int | None, leads: Sequence[int]) -> None:
        """Note that the activities of deleted records are gone: Krayin took them with these."""
        records = [("lead", one) for one in leads] + ([] if person is None else [("person", person)])
        for kind, crm_id in records:
            self.connection.execute(
                statement("mapping/settled_with"),
                {"target_id": operation.identity.target_id, "person": None, "lead": None, kind: str(crm_id)},
            )

    def _close(self, operation: Operation, lead_id: int) -> bool:
        """Move a lead to the lost stage of its pipeline, unless it is closed already or gone."""
        lead = self.lead(operation, lead_id)
        if lead is None or lead.stage_id is None or lead.stage_id in self.final:
            return False
        pipeline = self.catalogue.pipeline_of_stage(lead.stage_id)
        lost = next((stage.id for stage in pipeline.stages if stage.code == LOST), None) if pipeline else None
        if lost is None:
            return False
        note = partial(
            self.memory.remember,
            operation,
            "closed",
            "lead",
            lead_id,
            before=_standing(lead),
            after={"stage_id": lost},
        )
        try:
            closed = self.move(operation, CLOSE, lead_id, note, lead_pipeline_stage_id=lost)
        except NotFound:
            return False
        self.memory.closed(operation.identity.target_id, closed)
        return True

    def _release(self, operation: Operation, wanted: Mapping[str, Any]) -> None:
        """Take from the person the addresses that the surviving contact has now."""
        stored = self.reads.entity("persons", wanted["person"])
        if stored is None:
            return
        region = self.settings.default_phone_region
        present = person_fields(stored)
        given_up = set(wanted["releases"])
        kept = addresses_where(present, region, given_up.isdisjoint)
        changed = tuple(name for name, values in kept.items() if values != present[name])
        if not changed:
            return
        demand = self.catalogue.email_demand(self.client.dialect.takes_no_email)
        kept = reserved(operation, kept, demand, present)
        merged = Merged(values={**present, **kept}, changed=changed, kept=())
        update = person_update(stored, merged, self.reads.attributes.booleans("persons"))
        try:
            with self.intent(operation, RELEASE):
                person = self.client.update_person(wanted["person"], update)
        except NotFound:
            return
        self.reads.written("persons", wanted["person"])
        self.snapshot.record([person])


def _deletes(wanted: Mapping[str, Any]) -> bool:
    return RemovalAction(wanted["fate"]) is RemovalAction.DELETE


def _deletes_person(wanted: Mapping[str, Any]) -> bool:
    return _deletes(wanted) and wanted["person"] is not None


def _standing(lead: Lead) -> dict[str, Any]:
    return {"stage_id": lead.stage_id, "lost_reason": lead.lost_reason}


def _put_off(wait: timedelta, *, counts_as_attempt: bool = False) -> Outcome:
    message = f"waits for Krayin's limit of {PERSON_DELETIONS} deletions of persons an hour"
    return later(DELETIONS_LIMITED, message, wait, counts_as_attempt=counts_as_attempt)


def _person_has_leads(person_id: int, result: Mapping[str, str]) -> Outcome:
    return quarantined(
        PERSON_HAS_LEADS,
        f"Krayin person {person_id} of a contact deleted in Chatwoot has leads that are not "
        "ours: delete or move these in Krayin, then try again",
        candidates=({"person": person_id},),
        result=result,
    )
