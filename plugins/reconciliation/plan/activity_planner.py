"""Turns staged activities into operation rows, chunk by chunk, each chunk in one transaction."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from statements import statement

from reconciliation.mapping.desired_activity import CONVERSATION, MESSAGE, ActivitySkip, DesiredActivity
from reconciliation.plan.activity_plan import Link, LinkedRecords, plan_activity
from reconciliation.plan.contact_plan import Action
from reconciliation.plan.estimate import ACTIVITIES
from reconciliation.plan.operation_rows import NEVER, NOW
from reconciliation.sync_database.mapping_row import MappingState
from reconciliation.sync_database.mapping_store import mapping_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from reconciliation.plan.activity_plan import ActivityPlan
    from reconciliation.plan.activity_search import ActivitySearch
    from reconciliation.plan.operation_rows import PlanScope
    from reconciliation.sync_database.mapping_row import MappingRow

CHUNK = 1000


@dataclass(frozen=True, slots=True)
class _Staged:
    activity: DesiredActivity
    hash: bytes

    @property
    def name(self) -> tuple[str, str]:
        return self.activity.source_kind, self.activity.source_id


@dataclass(slots=True)
class PlannedActivities:
    """What a planning decided about activities; numbers only.

    `moved` are those that hang on another contact now: a merge in Chatwoot.
    """

    actions: Counter[str] = field(default_factory=Counter)
    waiting: int = 0
    moved: int = 0
    skipped: Counter[str] = field(default_factory=Counter)

    def add(self, row: MappingRow, plan: ActivityPlan, contact: LinkedRecords) -> None:
        """Count one activity of this mapping row and contact."""
        self.actions[plan.action] += 1
        if plan.action in {Action.CREATE, Action.UPDATE}:
            self.waiting += plan.waits_for is not None
            person = (row.last_sent or {}).get("person")
            self.moved += person is not None and person != contact.person_id

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for `sync_run.summary`."""
        return {
            "activities_planned": dict(self.actions),
            "activities_waiting_for_contact": self.waiting,
            "activities_moved": self.moved,
        }


@dataclass(frozen=True, slots=True)
class ActivityPlanner:
    """Plans the staged activities of one run.

    `search` looks in Krayin for activities of ours that are not mapped.
    """

    scope: PlanScope
    link: Link
    search: ActivitySearch
    recreate_deleted: bool = False

    def run(self) -> PlannedActivities:
        """Plan everything staged; each chunk is committed on its own, so a repeat only does the rest."""
        planned = PlannedActivities()
        for chunk in self._chunks():
            # Krayin is asked before anything is locked.
            adopted = self._search(chunk)
            with self.scope.connection.transaction():
                self._plan_chunk(chunk, adopted, planned)
        return planned

    def _chunks(self) -> Iterator[list[_Staged]]:
        after: tuple[int, str, int, str] = (-1, "", 0, "")
        while True:
            rows = self.scope.connection.execute(
                statement("plan/activity_staged_chunk"),
                {
                    "run_id": self.scope.run_id,
                    "after_contact": after[0],
                    "after_kind": after[1],
                    "after_length": after[2],
                    "after_id": after[3],
                    "size": CHUNK,
                },
            ).fetchall()
            chunk = [
                _Staged(DesiredActivity.from_json(desired), bytes(source_hash))
                for _, kind, _, source_hash, desired in rows
                if kind in {CONVERSATION, MESSAGE}
            ]
            if chunk:
                yield chunk
            if len(rows) < CHUNK:
                return
            contact, kind, source_id, _, _ = rows[-1]
            after = contact, kind, len(source_id), source_id

    def _search(self, chunk: Sequence[_Staged]) -> dict[tuple[str, str], dict[str, Any]]:
        # What is planned and not linked is looked for again: this plan takes the other one's place.
        known: set[tuple[str, str]] = set()
        for kind in (CONVERSATION, MESSAGE):
            rows = self.scope.connection.execute(
                statement("plan/activity_linked"),
                {**self._identity, "source_kind": kind, "source_ids": _ids(chunk, kind)},
            )
            known.update((kind, row[0]) for row in rows)
        new = [one.activity for one in chunk if one.name not in known]
        return self.search.find(new) if new else {}

    def _plan_chunk(
        self,
        chunk: Sequence[_Staged],
        adopted: dict[tuple[str, str], dict[str, Any]],
        planned: PlannedActivities,
    ) -> None:
        contacts = self._contacts({one.activity.contact_id for one in chunk})
        there = [one for one in chunk if one.activity.contact_id in contacts]
        planned.skipped[ActivitySkip.CONTACT_NOT_SYNCED] += len(chunk) - len(there)
        for kind in (CONVERSATION, MESSAGE):
            ours = [one for one in there if one.activity.source_kind == kind]
            if ours:
                self._plan_kind(kind, ours, contacts, adopted, planned)

    def _plan_kind(
        self,
        kind: str,
        staged: Sequence[_Staged],
        contacts: dict[int, LinkedRecords],
        adopted: dict[tuple[str, str], dict[str, Any]],
        planned: PlannedActivities,
    ) -> None:
        rows = self._lock(kind, _ids(staged, kind))
        fresh: list[tuple[_Staged, MappingRow, ActivityPlan]] = []
        for one in staged:
            row, read_at = rows[one.activity.source_id]
            if (read_at is not None and read_at > self.scope.read_at) or row.source_hash == one.hash:
                continue
            plan = plan_activity(
                row,
                one.hash,
                contacts[one.activity.contact_id],
                self.link,
                recreate_deleted=self.recreate_deleted,
            )
            contact = contacts[one.activity.contact_id]
            planned.add(row, plan, contact)
            fresh.append((one, row, plan))
        self._write(kind, fresh, adopted)

    def _write(
        self,
        kind: str,
        fresh: Sequence[tuple[_Staged, MappingRow, ActivityPlan]],
        adopted: dict[tuple[str, str], dict[str, Any]],
    ) -> None:
        replaced = {
            **self._identity,
            "source_kind": kind,
            "source_ids": [one.activity.source_id for one, _, _ in fresh],
        }
        self.scope.connection.execute(statement("plan/supersede"), replaced)
        self.scope.connection.execute(statement("plan/quarantine_replaced"), replaced)
        with self.scope.connection.cursor() as cursor, cursor.copy(statement("plan/activity_insert")) as copy:
            for one, _, plan in fresh:
                if plan.action in {Action.CREATE, Action.UPDATE}:
                    adopt = adopted.get(one.name)
                    payload = {
                        "activity": one.activity.to_json(),
                        "hash": one.hash.hex(),
                        "adopt": adopt,
                    }
                    # What an earlier integration made is linked as it is.
                    as_it_is = adopt is not None and adopt["origin"] == "adopted"
                    reads = plan.action is Action.UPDATE or adopt is not None
                    copy.write_row(
                        (
                            self.scope.run_id,
                            self.scope.sync_name,
                            int(self.scope.lane),
                            *self._identity.values(),
                            kind,
                            one.activity.source_id,
                            Jsonb(payload),
                            self.scope.read_at,
                            0 if as_it_is else plan.calls,
                            [ACTIVITIES] if reads and not as_it_is else [],
                            NEVER if plan.waits_for else NOW,
                            one.activity.contact_id,
                            plan.waits_for,
                            # Activities are ours alone, and change with what is said.
                            [],
                        )
                    )
        self.scope.connection.execute(
            statement("plan/mapping_planned"),
            {
                "ids": [row.id for _, row, _ in fresh],
                "source_hashes": [one.hash for one, _, _ in fresh],
                "states": [
                    str(MappingState.PENDING) if plan.action is Action.CREATE else str(row.state)
                    for _, row, plan in fresh
                ],
                "source_read_at": self.scope.read_at,
            },
        )

    def _contacts(self, contact_ids: set[int]) -> dict[int, LinkedRecords]:
        found: dict[int, dict[str, Any]] = {}
        for source_id, crm_kind, crm_id, state, _ in self.scope.connection.execute(
            statement("plan/activity_contacts"),
            {**self._identity, "contact_ids": sorted(map(str, contact_ids))},
        ):
            records = found.setdefault(int(source_id), {})
            records[crm_kind] = MappingState(state)
            if crm_kind == "person":
                records["person_id"] = crm_id
        return {contact_id: LinkedRecords(**states) for contact_id, states in found.items()}

    def _lock(self, kind: str, source_ids: list[str]) -> dict[str, tuple[MappingRow, datetime | None]]:
        keys = {**self._identity, "source_kind": kind, "source_ids": source_ids}
        # They were read just now: what was taken for gone is back.
        self.scope.connection.execute(statement("reconcile/returned"), keys)
        self.scope.connection.execute(statement("plan/activity_register"), {**keys, "crm_kind": "activity"})
        with self.scope.connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(statement("plan/activity_lock"), keys).fetchall()
        return {row["source_id"]: (mapping_row(row), row["source_read_at"]) for row in rows}

    @property
    def _identity(self) -> dict[str, Any]:
        return self.scope.identity.parameters()


def _ids(staged: Sequence[_Staged], kind: str) -> list[str]:
    return sorted(one.activity.source_id for one in staged if one.activity.source_kind == kind)
