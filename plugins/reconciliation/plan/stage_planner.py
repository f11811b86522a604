"""Stages and plans the moves of leads that follow their conversations."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chatwoot.records import BrokenRow
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from statements import statement

from reconciliation.mapping.desired_activity import ActivitySkip
from reconciliation.mapping.stages import Milestone, qualified_stages
from reconciliation.plan.contact_plan import Action
from reconciliation.plan.estimate import MOVED_LEADS
from reconciliation.plan.operation_rows import NEVER, NOW
from reconciliation.sync_database.mapping_row import MappingState
from reconciliation.sync_database.mapping_store import mapping_row
from reconciliation.values.hashing import stable_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import psycopg
    from chatwoot.conversations import Progress

    from reconciliation.binding_scope import BindingScope
    from reconciliation.extract.activities import StreamsRead
    from reconciliation.mapping.stages import TargetStage
    from reconciliation.plan.activity_planner import PlannedActivities
    from reconciliation.plan.operation_rows import PlanScope
    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.sync_database.mapping_row import MappingRow

STAGE = "stage"
CHUNK = 1000


def stages_of(settings: SyncSettings) -> dict[Milestone, int]:
    """Return the stages that the settings name, by milestone."""
    named = {
        Milestone.CREATED: settings.stage_on_conversation_created,
        Milestone.FIRST_RESPONSE: settings.stage_on_first_response,
        Milestone.RESOLVED: settings.stage_on_conversation_resolved,
    }
    return {milestone: stage for milestone, stage in named.items() if stage is not None}


def stage_progress(  # noqa: PLR0913, PLR0917 - what a reading needs to know
    connection: psycopg.Connection,
    identity: BindingScope,
    run_id: int,
    chunks: Iterable[list[Progress | BrokenRow]],
    stages: Mapping[Milestone, int],
    order: Sequence[int],
    seen: StreamsRead,
    *,
    follow: bool,
) -> None:
    """Stage the contacts whose qualified stage differs from what was last planned.

    With `follow` a closed lead may be followed by a new one, for which only what is qualified afterwards
    counts: then all that was qualified is noted, and any news of it makes a difference.
    """
    for chunk in chunks:
        seen.read[STAGE] += len(chunk)
        wanted: dict[int, dict[str, Any]] = {}
        for row in chunk:
            if isinstance(row, BrokenRow):
                seen.skipped[ActivitySkip.UNREADABLE] += 1
            elif qualified := qualified_stages(row, stages, order):
                wanted[row.contact_id] = _document(qualified[-1])
                if follow:
                    # The name it was always stored under: another would change the hash of what is unchanged.
                    wanted[row.contact_id]["earned"] = [_document(one) for one in qualified]
        rows = connection.execute(
            statement("plan/activity_hashes"),
            {**identity.parameters(), "source_kind": STAGE, "source_ids": [str(one) for one in wanted]},
        )
        planned = {row[0]: row[1] for row in rows}
        fresh = {
            contact_id: document
            for contact_id, document in wanted.items()
            if planned.get(str(contact_id)) != stable_hash(document)
        }
        seen.unchanged[STAGE] += len(wanted) - len(fresh)
        connection.execute(
            statement("plan/activity_stage"),
            {
                "run_id": run_id,
                "source_kind": STAGE,
                "source_ids": [str(one) for one in fresh],
                "contact_ids": list(fresh),
                "source_hashes": [stable_hash(document) for document in fresh.values()],
                "desired": [json.dumps(document) for document in fresh.values()],
            },
        )


def _document(qualified: TargetStage) -> dict[str, Any]:
    return {
        "stage_id": qualified.stage_id,
        "milestone": str(qualified.milestone),
        "reached_at": qualified.reached_at.isoformat(),
    }


@dataclass(frozen=True, slots=True)
class StagePlanner:
    """Plans the staged moves of one run: one operation per contact, beside those of its records.

    `order` are the stages of the sync's pipeline; a lead that we brought as far already is left alone.
    """

    scope: PlanScope
    order: Sequence[int]

    def plan(self, planned: PlannedActivities) -> None:
        """Plan everything staged; each chunk is committed on its own."""
        for chunk in self._chunks():
            with self.scope.connection.transaction():
                self._plan_chunk(chunk, planned)

    def _chunks(self) -> Iterator[dict[str, tuple[bytes, dict[str, Any]]]]:
        after = -1
        while rows := self.scope.connection.execute(
            statement("plan/stage_staged_chunk"),
            {"run_id": self.scope.run_id, "after": after, "size": CHUNK},
        ).fetchall():
            yield {
                str(contact_id): (bytes(source_hash), desired) for contact_id, source_hash, desired in rows
            }
            after = rows[-1][0]

    def _plan_chunk(
        self, chunk: Mapping[str, tuple[bytes, dict[str, Any]]], planned: PlannedActivities
    ) -> None:
        identity, read_at = self.scope.identity.parameters(), self.scope.read_at
        leads = {
            source_id: (MappingState(state), crm_id)
            for source_id, crm_kind, crm_id, state, _ in self.scope.connection.execute(
                statement("plan/activity_contacts"), {**identity, "contact_ids": sorted(chunk)}
            )
            if crm_kind == "lead"
        }
        planned.skipped[ActivitySkip.CONTACT_NOT_SYNCED] += len(set(chunk) - set(leads))
        keys = {**identity, "source_kind": STAGE, "source_ids": sorted(leads)}
        self.scope.connection.execute(statement("plan/activity_register"), {**keys, "crm_kind": "lead"})
        with self.scope.connection.cursor(row_factory=dict_row) as reader:
            found = reader.execute(statement("plan/activity_lock"), keys).fetchall()
        rows = {row["source_id"]: mapping_row(row) for row in found}
        later = {row["source_id"] for row in found if (row["source_read_at"] or read_at) > read_at}
        fresh = [one for one in rows if one not in later and rows[one].source_hash != chunk[one][0]]
        there = [
            one
            for one in fresh
            if leads[one][0] is MappingState.GONE or self._is_there(rows[one], leads[one][1], chunk[one][1])
        ]
        replaced = {**keys, "source_ids": fresh}
        self.scope.connection.execute(statement("plan/supersede"), replaced)
        self.scope.connection.execute(statement("plan/quarantine_replaced"), replaced)
        with self.scope.connection.cursor() as cursor, cursor.copy(statement("plan/activity_insert")) as copy:
            planned.actions.update({Action.NOTHING: len(there)} if there else {})
            for one in sorted(set(fresh) - set(there), key=int):
                source_hash, document = chunk[one]
                state, _ = leads[one]
                planned.actions["move"] += 1
                planned.waiting += state is not MappingState.LINKED
                copy.write_row(
                    (
                        self.scope.run_id,
                        self.scope.sync_name,
                        int(self.scope.lane),
                        *identity.values(),
                        STAGE,
                        one,
                        Jsonb({**document, "hash": source_hash.hex()}),
                        self.scope.read_at,
                        1,
                        [MOVED_LEADS],
                        NOW if state is MappingState.LINKED else NEVER,
                        int(one),
                        "lead",
                        ["lead.stage"] if state is MappingState.LINKED else [],
                    )
                )
        self.scope.connection.execute(
            statement("plan/mapping_planned"),
            {
                "ids": [rows[one].id for one in fresh],
                "source_hashes": [chunk[one][0] for one in fresh],
                "states": [str(rows[one].state) for one in fresh],
                "source_read_at": self.scope.read_at,
            },
        )
        with self.scope.connection.cursor() as cursor:
            cursor.executemany(
                statement("load/mapping_ack"),
                [
                    {
                        "id": rows[one].id,
                        "acked_hash": chunk[one][0],
                        "last_sent": Jsonb(rows[one].last_sent or {}),
                    }
                    for one in there
                    if leads[one][0] is not MappingState.GONE
                ],
            )
        self.scope.guard.require_approval()

    def _is_there(self, row: MappingRow, lead_id: int | None, document: Mapping[str, Any]) -> bool:
        if row.pending_write:
            # Whoever comes next sees how far a move without an answer got.
            return False
        before = row.last_sent or {}
        if before.get("lead") != lead_id or before.get("stage") not in self.order:
            return False
        # A new lead may be about to follow the one that came so far.
        if "earned" in document:
            return False
        return self.order.index(document["stage_id"]) <= self.order.index(before["stage"])
