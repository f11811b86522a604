"""Moves one contact's lead to the stage its conversations have qualified."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from krayin.errors import NotFound

from reconciliation.crm.local_time import ServerClock
from reconciliation.load.reopening import stage_update
from reconciliation.mapping.stages import (
    LeadPosition,
    Milestone,
    Pipeline,
    StageDecision,
    TargetStage,
    decide,
    target_since,
)
from reconciliation.sync_database.ledger import REOPEN, OperationState, Outcome
from reconciliation.sync_database.mapping_row import MappingState
from reconciliation.values.timing import DEFAULT, EXACT, Timing, same_moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from krayin.catalogue import Catalogue
    from krayin.client import KrayinClient
    from krayin.payloads import LeadUpdate
    from krayin.records import Lead

    from reconciliation.crm.lineage import Lineage
    from reconciliation.crm.reads import CrmReads
    from reconciliation.load.reopening import Reopening
    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.settings.targets import LeadTargets
    from reconciliation.sync_database.ledger import Ledger, Operation
    from reconciliation.sync_database.mapping_row import MappingRow
    from reconciliation.sync_database.mapping_store import MappingStore

MOVE_STAGE = "move_stage"
GONE = "the lead of its contact was deleted in Krayin"
# A zone's offset may differ between the guess and the moment meant, once.
CORRECTIONS = 2


@dataclass(frozen=True, slots=True)
class StageWriter:
    """Carries out the stage moves of one sync; nothing else of a lead is touched."""

    client: KrayinClient
    ledger: Ledger
    store: MappingStore
    reads: CrmReads
    reopening: Reopening
    catalogue: Catalogue
    targets: LeadTargets
    settings: SyncSettings
    lineage: Lineage
    timing: Timing = DEFAULT
    clock: ServerClock = field(default_factory=ServerClock)
    _shown: dict[int, Lead] = field(default_factory=dict)

    def prefetch(self, operations: Sequence[Operation]) -> None:
        """Read in bulk where the leads stand."""
        rows = [row for operation in operations if (row := self._lead(operation)) is not None]
        leads = {row.crm_id for row in rows if row.crm_id is not None}
        followed = {former for row in rows for former in row.former_crm_ids[-1:]}
        self._shown.clear()
        if leads:
            shown = self.client.leads_by_ids(leads | followed)
            self.lineage.shown("lead", leads, shown)
            self._shown.update((lead.id, lead) for lead in shown)
        self.reads.prefetch("leads", leads)

    def write(self, operation: Operation) -> Outcome:
        """Move the lead, or note why it stays.

        Raises:
            KrayinError: a call failed; the loader decides how to go on.
            LeaseLostError: the operation passed to another worker.
        """
        row = self._lead(operation)
        if row is not None and row.state is MappingState.GONE:
            return _gone()
        if row is None or row.crm_id is None or row.state is not MappingState.LINKED:
            return Outcome(
                OperationState.PLANNED,
                error_class="contact_not_linked",
                error_message="its contact is not linked to a lead yet",
                delay=self.timing.next_run,
            )
        try:
            shown = self._present(operation, row.crm_id)
            reopened = self.reopening.reopen(operation, shown)
            if REOPEN in operation.payload:
                return Outcome(OperationState.DONE, result={"stage": "reopened" if reopened else "left"})
            return self._follow(operation, row, reopened or shown)
        except NotFound:
            self.store.set_state(row.id, MappingState.GONE)
            return _gone()

    def _present(self, operation: Operation, lead_id: int) -> Lead:
        shown = self._shown.pop(lead_id, None)
        if shown is None or operation.step is not None:
            shown = next(iter(self.client.leads_by_ids([lead_id])), None)
        if shown is None:
            raise NotFound(GONE)
        return shown

    def _follow(self, operation: Operation, row: MappingRow, shown: Lead) -> Outcome:
        """Move a lead of Krayin to the stage that its conversations have qualified."""
        assert row.crm_id is not None
        own = self._own(operation)
        tried = _tried(row, own, shown)
        standing = self._standing(row, own, shown, tried)
        qualified = [_wanted(one) for one in operation.payload.get("earned", (operation.payload,))]
        wanted = target_since(qualified, standing.since)
        verdict = decide(wanted, standing, self._pipeline(), self.settings.on_crm_edit)
        if verdict is StageDecision.CLOSED and self._may_be_followed(operation, qualified, shown):
            return Outcome(
                OperationState.PLANNED,
                error_class="lead_is_followed",
                error_message="its closed lead may be followed by a new one",
                delay=self.timing.down,
                counts_as_attempt=True,
            )
        if verdict is StageDecision.MOVE:
            if standing.base is not None and standing.stage_id != standing.base:
                self.ledger.allow(operation, ["lead.stage.overwritten"])
            self._move(operation, row.crm_id, own, wanted, shown)
        elif tried is not None:
            # The move took effect, its moment may not have been corrected yet.
            self._close_at(operation, row.crm_id, own, tried, shown, None)
        moved = wanted if verdict in {StageDecision.MOVE, StageDecision.ALREADY_THERE} else tried
        kept = (own.last_sent or {}) if moved is None else _kept(row.crm_id, moved)
        with self.ledger.transaction():
            self.ledger.progress(operation, f"{MOVE_STAGE}:done")
            self.store.ack(own.id, bytes.fromhex(operation.payload["hash"]), kept)
        return Outcome(OperationState.DONE, result={"stage": str(verdict)})

    def _lead(self, operation: Operation) -> MappingRow | None:
        rows = self.store.rows(operation.identity, "contact", [operation.source_id])
        return rows.get((operation.source_id, "lead"))

    def _own(self, operation: Operation) -> MappingRow:
        return self.store.rows(operation.identity, "stage", [operation.source_id])[
            operation.source_id, "lead"
        ]

    def _pipeline(self) -> Pipeline:
        order = self.catalogue.stage_order(self.targets.pipeline_id)
        final = frozenset(
            stage.id
            for pipeline in self.catalogue.pipelines
            for stage in pipeline.stages
            if self.catalogue.is_final_stage(stage.id)
        )
        return Pipeline(self.targets.pipeline_id, order, final)

    def _standing(
        self, row: MappingRow, own: MappingRow, shown: Lead, tried: TargetStage | None
    ) -> LeadPosition:
        before = own.last_sent or {}
        standing = LeadPosition(shown.pipeline_id, shown.stage_id, since=self._followed_at(row, shown))
        if tried is not None:
            return replace(standing, base=tried.stage_id)
        if before.get("lead") == row.crm_id:
            return replace(standing, base=before["stage"])
        # A lead we made stood in the stage of new leads; an adopted one stands where a salesperson left it.
        return replace(standing, base=self.targets.stage_id if row.origin == "created" else None)

    def _followed_at(self, row: MappingRow, shown: Lead) -> datetime | None:
        """Return when the lead before this one was closed, None when this is the contact's first."""
        if not row.former_crm_ids:
            return None
        number = row.former_crm_ids[-1]
        former = self._shown.get(number) or next(iter(self.client.leads_by_ids([number])), None)
        if former is None or former.closed_at is None:
            return shown.created_at
        return former.closed_at + EXACT

    def _may_be_followed(self, operation: Operation, qualified: Sequence[TargetStage], shown: Lead) -> bool:
        """Tell whether another worker may be making the lead that follows this closed one."""
        return (
            self.settings.new_lead_after_close
            and operation.attempts == 0
            and shown.closed_at is not None
            and any(one.reached_at > shown.closed_at + EXACT for one in qualified)
        )

    def _move(
        self, operation: Operation, lead_id: int, own: MappingRow, wanted: TargetStage, shown: Lead
    ) -> None:
        if self.catalogue.is_final_stage(wanted.stage_id):
            self._close_at(operation, lead_id, own, wanted, shown, wanted.stage_id)
            return
        update = self._update(lead_id, lead_pipeline_stage_id=wanted.stage_id)
        with self._intent(operation, lead_id, own, wanted):
            self.client.update_lead(lead_id, update)

    def _close_at(  # noqa: PLR0913, PLR0917 - a move and where it starts
        self,
        operation: Operation,
        lead_id: int,
        own: MappingRow,
        wanted: TargetStage,
        shown: Lead,
        stage_id: int | None,
    ) -> None:
        """Write when a lead was closed, and the stage with it; the answer tells how it was read."""
        if not self.catalogue.is_final_stage(wanted.stage_id):
            return
        if stage_id is None and same_moment(shown.closed_at, wanted.reached_at):
            return
        changes: dict[str, Any] = {} if stage_id is None else {"lead_pipeline_stage_id": stage_id}
        for _ in range(1 + CORRECTIONS):
            local = self.clock.local(wanted.reached_at)
            update = self._update(lead_id, closed_at=local, **changes)
            with self._intent(operation, lead_id, own, wanted):
                lead = self.client.update_lead(lead_id, update)
            # The same final stage again would close the lead anew.
            changes = {}
            if lead.closed_at is None or same_moment(lead.closed_at, wanted.reached_at):
                return
            self.clock.learn(local, lead.closed_at)

    def _update(self, lead_id: int, **changes: Any) -> LeadUpdate:
        return stage_update(self.reads, lead_id, **changes)

    def _intent(
        self, operation: Operation, lead_id: int, own: MappingRow, wanted: TargetStage
    ) -> AbstractContextManager[None]:
        def intend() -> None:
            with self.ledger.transaction():
                self.ledger.intend(operation, MOVE_STAGE)
                moment = {"reached_at": wanted.reached_at.isoformat()}
                self.store.attempt(own, own.last_sent, {**_kept(lead_id, wanted), **moment})

        return self.client.operation(operation.id, before_write=intend)


def _tried(row: MappingRow, own: MappingRow, shown: Lead) -> TargetStage | None:
    """Return the move without an answer that brought the lead where it stands, whichever plan's it was."""
    pending_write = own.pending_write or {}
    if pending_write.get("lead") != row.crm_id or pending_write["stage"] != shown.stage_id:
        return None
    return TargetStage(
        pending_write["stage"],
        Milestone(pending_write["milestone"]),
        datetime.fromisoformat(pending_write["reached_at"]),
    )


def _kept(lead_id: int, moved: TargetStage) -> dict[str, Any]:
    return {"lead": lead_id, "stage": moved.stage_id, "milestone": str(moved.milestone)}


def _wanted(payload: Mapping[str, Any]) -> TargetStage:
    return TargetStage(
        payload["stage_id"], Milestone(payload["milestone"]), datetime.fromisoformat(payload["reached_at"])
    )


def _gone() -> Outcome:
    return Outcome(
        OperationState.REJECTED,
        error_class="deleted_in_krayin",
        error_message=GONE,
    )
