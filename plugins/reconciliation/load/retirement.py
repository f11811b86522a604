"""Carries out what is to become of the person and lead of a contact that is gone in Chatwoot."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from krayin.errors import NotFound, Rejected
from statements import statement

from reconciliation.crm.fields import lead_update, person_fields, person_update
from reconciliation.mapping.contact import natural_keys
from reconciliation.mapping.merge import Merged
from reconciliation.plan.expectation import with_address
from reconciliation.plan.forecast import Expected
from reconciliation.plan.operation_rows import OperationRow
from reconciliation.sync_database.ledger import OperationState, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    import psycopg
    from krayin.catalogue import Catalogue
    from krayin.client import KrayinClient

    from reconciliation.crm.reads import CrmReads
    from reconciliation.crm.snapshot import PersonSnapshot
    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.sync_database.ledger import Ledger, Operation

RETIRE = "retire"
RELEASE, CLOSE, DELETE_LEAD, DELETE_PERSON, DELETE_ACTIVITY = (
    "release_addresses",
    "close_lead",
    "delete_lead",
    "delete_person",
    "delete_activity",
)
LOST = "lost"


class Fate(StrEnum):
    """What becomes of the records."""

    CLOSE = "close"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Retirement:
    """What is to become of the records of one contact, or of one activity, that is gone in Chatwoot.

    Only records that we made are meant. `releases` are the e-mails and phones that the surviving
    contact of a merge has now: Krayin gives nobody else what somebody has. `keys` are the natural
    keys of the person, `row_ids` the mapping rows, `former` closed leads that `lead` followed.
    """

    source_kind: str
    source_id: str
    fate: Fate
    row_ids: Sequence[int]
    person: int | None = None
    lead: int | None = None
    former: Sequence[int] = ()
    activity: int | None = None
    releases: Sequence[str] = ()
    keys: Sequence[str] = ()

    @property
    def calls(self) -> int:
        """The writing calls it takes at most."""
        records = (self.lead, self.person if self.fate is Fate.DELETE else None, self.activity)
        former = len(self.former) if self.fate is Fate.DELETE else 0
        return sum(one is not None for one in records) + former + bool(self.releases)

    def to_operation(self, due_at: str) -> OperationRow:
        """Return the operation that carries it out."""
        done = "deleted" if self.fate is Fate.DELETE else "stage"
        kinds = {"lead": self.lead, "activity": self.activity}
        if self.fate is Fate.DELETE:
            kinds["person"] = self.person
        return OperationRow(
            source_kind=self.source_kind,
            source_id=self.source_id,
            payload={
                RETIRE: {
                    "fate": str(self.fate),
                    "row_ids": list(self.row_ids),
                    "person": self.person,
                    "lead": self.lead,
                    "former": list(self.former),
                    "activity": self.activity,
                    "releases": list(self.releases),
                }
            },
            natural_keys=list(self.keys),
            expected=Expected(self.calls),
            releases=list(self.releases),
            due_at=due_at,
            changes=[f"{kind}.{done}" for kind, crm_id in kinds.items() if crm_id is not None],
        )


@dataclass(frozen=True, slots=True)
class RetirementWriter:
    """Carries out retirements; each step may be repeated, so a lost answer is simply asked for again."""

    connection: psycopg.Connection
    client: KrayinClient
    ledger: Ledger
    reads: CrmReads
    snapshot: PersonSnapshot
    catalogue: Catalogue
    settings: SyncSettings

    def write(self, operation: Operation) -> Outcome:
        """Carry out one operation and return how it ended.

        Raises:
            KrayinError: a call failed; the loader decides how to go on.
            LeaseLostError: the operation passed to another worker.
        """
        wanted = operation.payload[RETIRE]
        fate, result = Fate(wanted["fate"]), {}
        if wanted["releases"] and wanted["person"] is not None:
            self._release(operation, wanted)
        leads = [*wanted.get("former", ()), *([] if wanted["lead"] is None else [wanted["lead"]])]
        if fate is Fate.DELETE:
            for lead_id in leads:
                with self._intent(operation, DELETE_LEAD):
                    self.client.delete_lead(lead_id)
                result["lead"] = "deleted"
        elif wanted["lead"] is not None and self._close(operation, wanted["lead"]):
            result["lead"] = "closed"
        if fate is Fate.DELETE and wanted["person"] is not None:
            try:
                with self._intent(operation, DELETE_PERSON):
                    self.client.delete_person(wanted["person"])
            except Rejected:
                return Outcome(
                    OperationState.QUARANTINED,
                    error_class="person_has_leads",
                    error_message=f"Krayin person {wanted['person']} of a contact deleted in Chatwoot has "
                    "leads that are not ours: delete or move these in Krayin, then replay",
                    candidates=({"person": wanted["person"]},),
                    result=result,
                )
            self.snapshot.forget([wanted["person"]])
            result["person"] = "deleted"
        if wanted["activity"] is not None:
            with self._intent(operation, DELETE_ACTIVITY):
                self.client.delete_activity(wanted["activity"])
            result["activity"] = "deleted"
        with self.ledger.transaction():
            self.ledger.progress(operation, f"{RETIRE}:done")
            self.connection.execute(
                statement("reconcile/settled"),
                {"ids": wanted["row_ids"], "erased": fate is Fate.DELETE},
            )
            if fate is Fate.DELETE and wanted["activity"] is None:
                self._settle_activities(operation, wanted["person"], leads)
        return Outcome(OperationState.DONE, result=result)

    def _settle_activities(self, operation: Operation, person: int | None, leads: Sequence[int]) -> None:
        """Note that the activities of deleted records are gone: Krayin took them with these."""
        records = [("lead", one) for one in leads] + ([] if person is None else [("person", person)])
        for kind, crm_id in records:
            self.connection.execute(
                statement("reconcile/settled_with"),
                {"target_id": operation.identity.target_id, "person": None, "lead": None, kind: str(crm_id)},
            )

    def _close(self, operation: Operation, lead_id: int) -> bool:
        """Move a lead to the lost stage of its pipeline, unless it is closed already or gone."""
        lead = next(iter(self.client.leads_by_ids([lead_id])), None)
        if lead is None or lead.stage_id is None or self.catalogue.is_final_stage(lead.stage_id):
            return False
        pipeline = self.catalogue.pipeline_of_stage(lead.stage_id)
        lost = next((stage.id for stage in pipeline.stages if stage.code == LOST), None) if pipeline else None
        if lost is None:
            return False
        stored = self.reads.entity("leads", lead_id) or {}
        nothing = Merged(values={}, changed=(), kept=())
        update = lead_update(stored, nothing, self.catalogue.boolean_attributes("leads"))
        update = type(update).model_validate(
            {**update.model_dump(exclude_unset=True), "lead_pipeline_stage_id": lost}
        )
        try:
            with self._intent(operation, CLOSE):
                self.client.update_lead(lead_id, update)
        except NotFound:
            return False
        return True

    def _release(self, operation: Operation, wanted: Mapping[str, Any]) -> None:
        """Take from the person the addresses that the surviving contact has now."""
        stored = self.reads.entity("persons", wanted["person"])
        if stored is None:
            return
        region = self.settings.default_phone_region
        present = person_fields(stored, ())
        given_up = set(wanted["releases"])
        kept = {
            "emails": [one for one in present["emails"] if not {*natural_keys([one], [], region)} & given_up],
            "phones": [one for one in present["phones"] if not {*natural_keys([], [one], region)} & given_up],
        }
        changed = tuple(name for name, values in kept.items() if values != present[name])
        if not changed:
            return
        kept = with_address(
            kept,
            operation.identity.account_id,
            int(operation.source_id),
            email_required=self.catalogue.email_required(),
        )
        merged = Merged(values={**present, **kept}, changed=changed, kept=())
        update = person_update(stored, merged, self.catalogue.boolean_attributes("persons"))
        try:
            with self._intent(operation, RELEASE):
                person = self.client.update_person(wanted["person"], update)
        except NotFound:
            return
        self.reads.written("persons", wanted["person"])
        self.snapshot.record([person])

    def _intent(self, operation: Operation, step: str) -> AbstractContextManager[None]:
        return self.client.operation(operation.id, before_write=lambda: self.ledger.intend(operation, step))


@dataclass(frozen=True, slots=True)
class WithRetirements:
    """The writer of one kind of source records, and of what becomes of those that are gone."""

    writer: Any
    retirements: RetirementWriter

    def prefetch(self, operations: Sequence[Operation]) -> None:
        """Read in bulk what the operations will be merged against."""
        others = [one for one in operations if RETIRE not in one.payload]
        if others:
            self.writer.prefetch(others)

    def write(self, operation: Operation) -> Outcome:
        """Carry out one operation and return how it ended."""
        outcome: Outcome = (self.retirements if RETIRE in operation.payload else self.writer).write(operation)
        return outcome
