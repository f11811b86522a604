"""Moves one contact's lead to the stage its conversations have qualified, and reopens what we closed."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from krayin.errors import NotFound
from krayin.records import Lead

from reconciliation.crm.fields import stored_lead_update
from reconciliation.extract.streams import kind_of_lead
from reconciliation.load.lead_targets import place_of
from reconciliation.load.outcome import deleted, later
from reconciliation.load.sink import Note, Sink, Stop, nothing
from reconciliation.model.desired_contact import contact_of
from reconciliation.model.stages import (
    LeadPosition,
    StageDecision,
    TargetStage,
    decide,
    target_since,
)
from reconciliation.model.timing import EXACT, same_moment
from reconciliation.settings.targets import final_stages, pipeline_of
from reconciliation.store.ledger import REOPEN
from reconciliation.store.mapping_row import MappingState
from reconciliation.store.removals import RemovalMemory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from reconciliation.load.person import ContactWork
    from reconciliation.load.sink import LoadContext
    from reconciliation.store.ledger import Operation
    from reconciliation.store.mapping_row import MappingRow

log = logging.getLogger(__name__)
MOVE_STAGE = "move_stage"
REOPEN_LEAD = "reopen_lead"
# A zone's offset may differ between the guess and the moment meant, once.
CORRECTIONS = 2
_GONE = deleted("the lead of its contact")


@dataclass(frozen=True, slots=True)
class WaitingMove:
    """The planned move of a lead that is not made yet.

    Attributes:
        operation_id: the operation that would carry it out.
        row: the mapping row of the lead's stage.
        hash: of what is planned.
        target: the stage the lead is to reach.
        stage_id: the stage to make the lead in; another one than the target's where that closes the lead.
    """

    operation_id: int
    row: MappingRow
    hash: bytes
    target: TargetStage
    stage_id: int


class LeadMover(Sink):
    """A sink that moves leads between stages and leaves everything else of them alone."""

    def __init__(self, context: LoadContext) -> None:
        super().__init__(context)
        self.memory = RemovalMemory(context.connection, context.settings.name)
        self.final = final_stages(context.catalogue)
        self.shown: dict[int, Lead] = {}

    def lead(self, operation: Operation, lead_id: int) -> Lead | None:
        """Return a lead as it was read ahead, or anew where a call of ours may have changed it since."""
        lead = self.shown.pop(lead_id, None)
        if lead is None or operation.step is not None:
            lead = next(iter(self.client.by_ids(Lead, [lead_id])), None)
        return lead

    def move(
        self,
        operation: Operation,
        step: str,
        lead_id: int,
        note: Note = nothing,
        *,
        made: Lead | None = None,
        **changes: Any,
    ) -> Lead:
        """Write these columns of a lead, intended first together with what `note` writes.

        `made` is the lead as Krayin showed it when it was made just now.
        """
        if made is not None:
            self.reads.attributes.refresh()
        booleans = self.reads.attributes.booleans("leads")
        # Then there is nothing in it that an absent key would wipe.
        is_bare = made is not None and made.expected_close_at is None and not booleans
        stored = {} if is_bare else self.reads.entity("leads", lead_id) or {}
        update = stored_lead_update(stored, booleans, **changes)
        with self.intent(operation, step, note):
            return self.client.update_lead(lead_id, update)


class LeadStageSink(LeadMover):
    """Carries out the stage moves of one sync."""

    def __init__(self, context: LoadContext) -> None:
        super().__init__(context)
        self.pipeline = pipeline_of(context.targets, context.catalogue)

    def prefetch(self, operations: Sequence[Operation]) -> None:
        """Read in bulk where the leads stand."""
        rows = [row for operation in operations if (row := self._lead_row(operation)) is not None]
        leads = {row.crm_id for row in rows if row.crm_id is not None}
        followed = {former for row in rows for former in row.former_crm_ids[-1:]}
        self.shown = self.reads.listed("lead", leads, beside=followed)
        self.reads.prefetch("leads", leads)

    def carry_out(self, operation: Operation) -> Mapping[str, str]:
        """Move the lead, or note why it stays."""
        row = self._lead_row(operation)
        if row is not None and row.state is MappingState.GONE:
            raise Stop(_GONE)
        if row is None or row.crm_id is None or row.state is not MappingState.LINKED:
            message = "its contact is not linked to a lead yet"
            raise Stop(later("contact_not_linked", message, self.timing.next_run))
        shown = self.lead(operation, row.crm_id)
        with suppress(NotFound):
            if shown is not None:
                reopened = self._reopen(operation, shown)
                if REOPEN in operation.payload:
                    return {"stage": "reopened" if reopened else "left"}
                return {"stage": str(self._follow(operation, row, row.crm_id, reopened or shown))}
        self.store.set_state(row.id, MappingState.GONE)
        raise Stop(_GONE)

    def waiting(self, operation: Operation, since: datetime | None = None) -> WaitingMove | None:
        """Return the move that waits for the lead which a contact's operation is about to make, if any.

        `since` is when the lead before it was closed (aware): what was qualified by then was so with that.
        A move that does not lead further than where new leads begin is none.
        """
        planned = self.ledger.waiting_move(operation)
        order, (_, first) = self.pipeline.order, place_of(operation, self.targets)
        if planned is None or first in self.final or first not in order:
            return None
        operation_id, payload = planned
        target = target_since(_qualified(payload), since)
        if since is not None and target.reached_at <= since:
            return None
        if order.index(target.stage_id) <= order.index(first):
            return None
        row = self.rows(operation, "stage")["lead"]
        stage_id = first if target.stage_id in self.final else target.stage_id
        return WaitingMove(operation_id, row, bytes.fromhex(payload["hash"]), target, stage_id)

    def note_made_in(self, waiting: WaitingMove | None) -> Note:
        """Return what notes, with the intent to make a lead, in which stage that will be."""
        if waiting is None or waiting.stage_id != waiting.target.stage_id:
            return nothing
        row, tried = waiting.row, _tried_on(None, waiting.target)
        return partial(self.store.attempt, row, row.last_sent, tried)

    def finish(self, work: ContactWork, lead: Lead) -> None:
        """Finish the move that waited for a lead which was made just now and is linked.

        Where it stands elsewhere than it was made, as a workflow of Krayin may have moved it, the planned
        move decides.
        """
        operation, waiting = work.operation, work.move
        if waiting is None or lead.stage_id != waiting.stage_id:
            return
        if waiting.stage_id != waiting.target.stage_id:
            self._move(
                operation,
                lead.id,
                waiting.row,
                waiting.target,
                made=lead,
                lead_pipeline_stage_id=waiting.target.stage_id,
            )
        self.acknowledge(
            operation,
            MOVE_STAGE,
            waiting.row,
            waiting.hash,
            _kept(lead.id, waiting.target),
            partial(self.ledger.carried_out, waiting.operation_id, {"stage": str(StageDecision.MOVE)}),
        )
        work.result["stage"] = str(StageDecision.MOVE)

    def _lead_row(self, operation: Operation) -> MappingRow | None:
        return self.rows(operation, kind_of_lead(operation.source_id)).get("lead")

    def _reopen(self, operation: Operation, lead: Lead) -> Lead | None:
        """Move a lead back to where it stood before we closed it, unless somebody has decided about it since.

        Return the lead reopened; None when it is not ours to reopen.
        """
        target_id = operation.identity.target_id
        tried = operation.step == REOPEN_LEAD
        if not (lead.stage_id in self.final or tried or REOPEN in operation.payload):
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
        lead = self.move(operation, REOPEN_LEAD, lead.id, lead_pipeline_stage_id=closing.stage_id)
        self.memory.end_closing(target_id, lead.id, "reopened")
        contact_id = contact_of(operation.source_id)
        log.info("Lead %d reopened: contact %d is in Chatwoot again.", lead.id, contact_id)
        return lead

    def _follow(self, operation: Operation, row: MappingRow, lead_id: int, shown: Lead) -> StageDecision:
        """Move a lead of Krayin to the stage that its conversations have qualified."""
        own = self.rows(operation)["lead"]
        tried = _tried(row, own, shown)
        standing = self._standing(row, own, shown, tried)
        qualified = _qualified(operation.payload)
        wanted = target_since(qualified, standing.since)
        verdict = decide(wanted, standing, self.pipeline, self.settings.on_crm_edit)
        if verdict is StageDecision.CLOSED and self._may_be_followed(operation, qualified, shown):
            message = "its closed lead may be followed by a new one"
            raise Stop(later("lead_is_followed", message, self.timing.down, counts_as_attempt=True))
        if verdict is StageDecision.MOVE:
            if standing.base is not None and standing.stage_id != standing.base:
                self.ledger.allow(operation, ["lead.stage.overwritten"])
            self._move(operation, lead_id, own, wanted, lead_pipeline_stage_id=wanted.stage_id)
        elif (
            tried is not None
            and tried.stage_id in self.final
            and not same_moment(shown.closed_at, tried.reached_at)
        ):
            # The move took effect, its moment may not have been corrected yet.
            self._move(operation, lead_id, own, tried)
        moved = wanted if verdict in {StageDecision.MOVE, StageDecision.ALREADY_THERE} else tried
        kept = (own.last_sent or {}) if moved is None else _kept(lead_id, moved)
        self.acknowledge(operation, MOVE_STAGE, own, bytes.fromhex(operation.payload["hash"]), kept)
        return verdict

    def _standing(
        self, row: MappingRow, own: MappingRow, shown: Lead, tried: TargetStage | None
    ) -> LeadPosition:
        before = own.last_sent or {}
        standing = LeadPosition(shown.pipeline_id, shown.stage_id, since=self._followed_at(row, shown))
        if tried is not None:
            return replace(standing, base=tried.stage_id)
        if before.get("lead") == row.crm_id:
            return replace(standing, base=before["stage"])
        # A lead we made stood in its first stage; an adopted one stands where a salesperson left it.
        first = row.made_in_stage or self.targets.stage_id
        return replace(standing, base=first if row.origin == "created" else None)

    def _followed_at(self, row: MappingRow, shown: Lead) -> datetime | None:
        """Return when the lead before this one was closed, None when this is the contact's first."""
        if not row.former_crm_ids:
            return None
        number = row.former_crm_ids[-1]
        former = self.shown.get(number) or next(iter(self.client.by_ids(Lead, [number])), None)
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
        self,
        operation: Operation,
        lead_id: int,
        own: MappingRow,
        wanted: TargetStage,
        *,
        made: Lead | None = None,
        **changes: Any,
    ) -> None:
        """Write a stage, and when a lead was closed; the answer tells how that was read."""
        note = partial(self.store.attempt, own, own.last_sent, _tried_on(lead_id, wanted))
        if wanted.stage_id not in self.final:
            self.move(operation, MOVE_STAGE, lead_id, note, made=made, **changes)
            return
        for _ in range(1 + CORRECTIONS):
            local = self.clock.local(wanted.reached_at)
            lead = self.move(operation, MOVE_STAGE, lead_id, note, made=made, closed_at=local, **changes)
            # The same final stage again would close the lead anew.
            changes = {}
            if lead.closed_at is None or same_moment(lead.closed_at, wanted.reached_at):
                return
            self.clock.learn(local, lead.closed_at)


def _tried(row: MappingRow, own: MappingRow, shown: Lead) -> TargetStage | None:
    """Return the move without an answer that brought the lead where it stands, whichever plan's it was."""
    pending_write = own.pending_write or {}
    # One without a lead is of the lead that was about to be made then.
    if not pending_write or pending_write["lead"] not in {None, row.crm_id}:
        return None
    if pending_write["stage"] != shown.stage_id:
        return None
    return TargetStage.from_json(pending_write)


def _tried_on(lead_id: int | None, stage: TargetStage) -> dict[str, Any]:
    return {**_kept(lead_id, stage), "reached_at": stage.reached_at.isoformat()}


def _qualified(payload: Mapping[str, Any]) -> list[TargetStage]:
    return [TargetStage.from_json(one) for one in payload.get("earned", (payload,))]


def _kept(lead_id: int | None, moved: TargetStage) -> dict[str, Any]:
    return {"lead": lead_id, "stage": moved.stage_id, "milestone": str(moved.milestone)}
