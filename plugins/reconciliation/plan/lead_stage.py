"""Plans the moves of leads that follow their conversations, and the reopening of those that we closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb
from statements import statement

from reconciliation.extract.streams import STAGE
from reconciliation.model.desired_activity import ActivitySkip
from reconciliation.model.desired_contact import contact_of, inbox_of
from reconciliation.plan.activity import linked_records
from reconciliation.plan.contact import Action
from reconciliation.plan.engine import NEVER, NOW, Decided, OperationRow
from reconciliation.plan.estimate import LEADS, MOVED_LEADS, Expected
from reconciliation.store.ledger import REOPEN
from reconciliation.store.mapping_row import MappingState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciliation.model.stages import Pipeline
    from reconciliation.plan.activity import LinkedRecords, PlannedActivities
    from reconciliation.plan.engine import PlanEngine
    from reconciliation.store.mapping_row import MappingRow


_MOVE = Expected(1, frozenset({MOVED_LEADS}))


def decide(  # noqa: PLR0913, PLR0917 - a contact, its lead and what is wanted of it
    source_id: str,
    row: MappingRow,
    wanted_hash: bytes,
    document: Mapping[str, Any],
    contact: LinkedRecords,
    pipeline: Pipeline,
    *,
    is_new: bool = False,
) -> OperationRow | None:
    """Return the move that brings a contact's lead as far as its conversations are; None without need.

    `row` is the mapping row of the lead's stage, `pipeline` the sync's. The lead of a contact who `is_new`
    is made in that stage, which costs a call only where it is won or lost.
    """
    if contact.lead is MappingState.GONE or _is_there(row, contact.lead_id, document, pipeline.order):
        return None
    is_linked = contact.lead is MappingState.LINKED
    return OperationRow(
        source_kind=STAGE,
        source_id=source_id,
        payload={**document, "hash": wanted_hash.hex()},
        expected=Expected(int(document["stage_id"] in pipeline.final)) if is_new else _MOVE,
        due_at=NOW if is_linked else NEVER,
        contact_id=contact_of(source_id),
        waits_for=contact.lead_name,
        changes=["lead.stage"] if is_linked else [],
    )


def _is_there(
    row: MappingRow, lead_id: int | None, document: Mapping[str, Any], order: Sequence[int]
) -> bool:
    if row.pending_write:
        # Whoever comes next sees how far a move without an answer got.
        return False
    before = row.last_sent or {}
    if before.get("lead") != lead_id or before.get("stage") not in order:
        return False
    # A new lead may be about to follow the one that came so far.
    if "earned" in document:
        return False
    return order.index(document["stage_id"]) <= order.index(before["stage"])


def plan_moves(engine: PlanEngine, pipeline: Pipeline, planned: PlannedActivities) -> None:
    """Plan the staged moves of one run: one operation per contact, beside those of its records.

    `pipeline` is the sync's; a lead that we brought as far already is left alone. Each chunk is committed on
    its own.
    """
    for chunk in engine.staged((STAGE,)):
        with engine.connection.transaction():
            contacts = linked_records(engine, (row[0] for row in chunk))
            known = {row[2]: contacts[row[0]].within(inbox_of(row[2])) for row in chunk if row[0] in contacts}
            leads = {
                one: contact
                for one, contact in known.items()
                if contact.lead not in {None, MappingState.NOT_WANTED}
            }
            staged = {row[2]: row for row in chunk if row[2] in leads}
            new = {row[0] for row in engine.execute("operation/creations_of", source_ids=list(staged))}
            planned.skipped[ActivitySkip.NO_LEAD] += len(known) - len(leads)
            planned.skipped[ActivitySkip.CONTACT_NOT_SYNCED] += len(chunk) - len(known)
            locked = engine.lock(STAGE, {one: {"lead": bytes(row[3])} for one, row in staged.items()})
            decided: list[Decided] = []
            for source_id, (_, _, _, wanted_hash, document) in staged.items():
                if locked[source_id].is_planned:
                    continue
                row, contact = locked[source_id].rows["lead"], leads[source_id]
                is_new = source_id in new
                move = decide(source_id, row, bytes(wanted_hash), document, contact, pipeline, is_new=is_new)
                decided.append(Decided(source_id, move, [(row, bytes(wanted_hash), row.state)]))
                if move is not None:
                    planned.waiting += move.due_at == NEVER
                planned.actions["move" if move is not None else Action.NOTHING] += 1
            engine.plan(STAGE, decided)
            with engine.connection.cursor() as cursor:
                cursor.executemany(
                    statement("mapping/acknowledge"),
                    [
                        {"id": row.id, "acked_hash": planned_hash, "last_sent": Jsonb(row.last_sent or {})}
                        for one in decided
                        for row, planned_hash, _ in one.marks
                        if one.operation is None and leads[one.source_id].lead is not MappingState.GONE
                    ],
                )
            engine.guard.require_approval()


def plan_reopenings(engine: PlanEngine) -> None:
    """Plan to reopen every lead we closed whose contact is back in Chatwoot, as moves of its stage.

    A move that is planned already reopens the lead as well.
    """
    with engine.connection.transaction():
        engine.execute("removal/end_made_again")
        engine.write(
            OperationRow(
                source_kind=STAGE,
                source_id=source_id,
                payload={REOPEN: lead_id},
                expected=Expected(1, frozenset({LEADS})),
                changes=["lead.reopened"],
            )
            for source_id, lead_id in engine.execute("removal/due").fetchall()
        )
        engine.guard.require_approval()
