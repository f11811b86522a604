"""Moves one contact's lead to the stage its conversations have qualified, and reopens what we closed."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from krayin.errors import NotFound
from krayin.records import Lead

from reconciliation.crm.fields import stored_lead_update
from reconciliation.load.sink import Note, Sink, Stop, deleted, later, nothing
from reconciliation.model.stages import (
    LeadPosition,
    Pipeline,
    StageDecision,
    TargetStage,
    decide,
    target_since,
)
from reconciliation.model.timing import EXACT, same_moment
from reconciliation.settings.targets import final_stages
from reconciliation.store.ledger import REOPEN
from reconciliation.store.mapping_row import MappingState
from reconciliation.store.removals import RemovalMemory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciliation.load.sink import LoadContext
    from reconciliation.store.ledger import Operation
    from reconciliation.store.mapping_row import MappingRow

_FORM = "%Y-%m-%d %H:%M:%S"

log = logging.getLogger(__name__)
MOVE_STAGE = "move_stage"
REOPEN_LEAD = "reopen_lead"
# A zone's offset may differ between the guess and the moment meant, once.
CORRECTIONS = 2
_GONE = deleted("the lead of its contact")


@dataclass(slots=True)
class ServerClock:
    """The offset of Krayin's zone as far as known.

    Krayin 2.1.5 reads `closed_at` as its own local time, has no way to say which zone that is, and
    shows it as an instant. So what was sent and what is shown tell the offset; daylight saving makes
    another one true at another time, which the next answer then tells.
    """

    offset: timedelta = timedelta(0)

    def local(self, moment: datetime) -> str:
        """Return an aware moment as Krayin's clock shows it, as far as we know."""
        return (moment.astimezone(UTC) + self.offset).strftime(_FORM)

    def learn(self, sent: str, shown: datetime) -> None:
        """Learn from a local time that was sent and the instant (aware) that Krayin made of it."""
        wall = datetime.strptime(sent, _FORM).replace(tzinfo=UTC)
        self.offset = wall - shown.astimezone(UTC)


class LeadMover(Sink):
    """A sink that moves leads between stages and leaves everything else of them alone."""

    def __init__(self, context: LoadContext) -> None:
        """Work with `context`."""
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
        self, operation: Operation, step: str, lead_id: int, note: Note = nothing, **changes: Any
    ) -> Lead:
        """Write these columns of a lead, intended first together with what `note` writes."""
        stored = self.reads.entity("leads", lead_id) or {}
        update = stored_lead_update(stored, self.reads.attributes.booleans("leads"), **changes)
        with self.intent(operation, step, note):
            return self.client.update_lead(lead_id, update)


class LeadStageSink(LeadMover):
    """Carries out the stage moves of one sync."""

    def __init__(self, context: LoadContext) -> None:
        """Work with `context`."""
        super().__init__(context)
        self.clock = ServerClock()
        order = context.catalogue.stage_order(context.targets.pipeline_id)
        self.pipeline = Pipeline(context.targets.pipeline_id, order, self.final)

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

    def _lead_row(self, operation: Operation) -> MappingRow | None:
        return self.rows(operation, "contact").get("lead")

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
        log.info("Lead %d reopened: contact %s is in Chatwoot again.", lead.id, operation.source_id)
        return lead

    def _follow(self, operation: Operation, row: MappingRow, lead_id: int, shown: Lead) -> StageDecision:
        """Move a lead of Krayin to the stage that its conversations have qualified."""
        own = self.rows(operation)["lead"]
        tried = _tried(row, own, shown)
        standing = self._standing(row, own, shown, tried)
        qualified = [
            TargetStage.from_json(one) for one in operation.payload.get("earned", (operation.payload,))
        ]
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
        # A lead we made stood in the stage of new leads; an adopted one stands where a salesperson left it.
        return replace(standing, base=self.targets.stage_id if row.origin == "created" else None)

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
        self, operation: Operation, lead_id: int, own: MappingRow, wanted: TargetStage, **changes: Any
    ) -> None:
        """Write a stage, and when a lead was closed; the answer tells how that was read."""
        moment = {"reached_at": wanted.reached_at.isoformat()}
        note = partial(self.store.attempt, own, own.last_sent, {**_kept(lead_id, wanted), **moment})
        if wanted.stage_id not in self.final:
            self.move(operation, MOVE_STAGE, lead_id, note, **changes)
            return
        for _ in range(1 + CORRECTIONS):
            local = self.clock.local(wanted.reached_at)
            lead = self.move(operation, MOVE_STAGE, lead_id, note, closed_at=local, **changes)
            # The same final stage again would close the lead anew.
            changes = {}
            if lead.closed_at is None or same_moment(lead.closed_at, wanted.reached_at):
                return
            self.clock.learn(local, lead.closed_at)


def _tried(row: MappingRow, own: MappingRow, shown: Lead) -> TargetStage | None:
    """Return the move without an answer that brought the lead where it stands, whichever plan's it was."""
    pending_write = own.pending_write or {}
    if pending_write.get("lead") != row.crm_id or pending_write["stage"] != shown.stage_id:
        return None
    return TargetStage.from_json(pending_write)


def _kept(lead_id: int, moved: TargetStage) -> dict[str, Any]:
    return {"lead": lead_id, "stage": moved.stage_id, "milestone": str(moved.milestone)}
