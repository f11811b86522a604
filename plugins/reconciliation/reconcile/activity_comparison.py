"""Compares activities and lead stages with what was sent and with what Chatwoot's conversations earn."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from statements import statement

from reconciliation.crm.fields import activity_sent
from reconciliation.extract.activities import STAGE
from reconciliation.mapping.desired_activity import CONVERSATION, MESSAGE, DesiredActivity
from reconciliation.mapping.stages import (
    LeadPosition,
    Milestone,
    Pipeline,
    StageDecision,
    TargetStage,
    decide,
)
from reconciliation.reconcile.finding import KEPT, Finding, FindingClass, Side
from reconciliation.reconcile.record_comparison import activity_differences
from reconciliation.sync_database.mapping_row import MappingState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import psycopg

    from reconciliation.binding_scope import BindingScope
    from reconciliation.mapping.merge import OnCrmEdit
    from reconciliation.reconcile.repair_policy import Policy

ACTIVITY = "activity"


@dataclass(slots=True)
class ActivityComparison:
    """Compares activities and collects findings.

    `repaired` are conversations (display ids) and messages (ids) that are written or made again, `anew`
    others that are to be compared whatever the diff says.
    """

    connection: psycopg.Connection
    identity: BindingScope
    policy: Policy
    on_crm_edit: OnCrmEdit
    pipeline: Pipeline
    first_stage: int
    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    repaired: dict[str, set[int]] = field(default_factory=lambda: {CONVERSATION: set(), MESSAGE: set()})
    anew: dict[str, set[int]] = field(default_factory=lambda: {CONVERSATION: set(), MESSAGE: set()})

    def edited(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take up activities that somebody changed in Krayin; rows as `mapping/due` gives them."""
        if not rows:
            return
        contacts = self._contacts(rows)
        repaired = []
        overwrites = self.on_crm_edit == "overwrite"
        for row in rows:
            last_sent = row["last_sent"] or {}
            names = activity_differences(last_sent, row["facts"])
            for place, name in enumerate(names):
                shown = name != "comment"
                self.findings.append(
                    Finding(
                        FindingClass.CHANGED,
                        "write what Chatwoot says" if overwrites else KEPT,
                        source_kind=row["source_kind"],
                        source_id=row["source_id"],
                        contact_id=contacts.get(row["id"]),
                        crm_kind=ACTIVITY,
                        crm_id=row["crm_id"],
                        field=name,
                        side=Side.THEIRS,
                        # What was said is never kept.
                        detail={"chatwoot": last_sent[name], "krayin": row["facts"].get(name)}
                        if shown and name != "title"
                        else {},
                        calls=int(overwrites and place == 0),
                        repairable=overwrites,
                    )
                )
            if names and overwrites and self.policy.repairs(FindingClass.CHANGED):
                repaired.append(row["id"])
                self.repaired[row["source_kind"]].add(int(row["source_id"]))
        if repaired:
            self.connection.execute(statement("mapping/forget_schedule"), {"ids": repaired})

    def gone(self, rows: Iterable[tuple[int, str, str]]) -> None:
        """Take up activities that were deleted in Krayin: mapping row, source kind and id."""
        made = []
        again = self.policy.recreate
        for row_id, source_kind, source_id in rows:
            source: dict[str, Any] = {
                "source_kind": source_kind,
                "source_id": source_id,
                "crm_kind": ACTIVITY,
            }
            self.findings.append(Finding.stale("make the activity again", again=again, **source))
            if again and self.policy.repairs(FindingClass.STALE_MAPPING):
                made.append(row_id)
                self.repaired[source_kind].add(int(source_id))
        if made:
            self.connection.execute(statement("mapping/forget"), {"ids": made, "recreate": True})

    def staged(self, run_id: int, unplanned: Collection[int], planned: Collection[int]) -> None:
        """Take up what a run staged because Chatwoot changed; what is not to be repaired is unstaged.

        `unplanned` are contacts that this run makes nothing for: their activities wait with them. Those of
        contacts that are neither known nor `planned` are left out, as the planner leaves them out.
        """
        dropped: dict[str, list[str]] = {CONVERSATION: [], MESSAGE: [], STAGE: []}
        rows = self.connection.execute(
            statement("staged_activity/due"), {"run_id": run_id, **self.identity.parameters()}
        ).fetchall()
        busy = {
            kind: self._busy(kind, [row[1] for row in rows if row[0] == kind])
            for kind in (CONVERSATION, MESSAGE, STAGE)
        }
        for row in rows:
            kind, source_id, contact_id = row[0], row[1], row[2]
            if source_id in busy[kind]:
                self.counts["waiting"] += 1
                continue
            left_out = row[8] is None and contact_id not in planned
            if contact_id in unplanned or left_out or row[8] == MappingState.ORPHANED:
                dropped[kind].append(source_id)
                continue
            if kind != STAGE and int(source_id) in self.repaired[kind]:
                continue
            found = self._stage(row) if kind == STAGE else self._activity(row)
            self.findings += found
            if found and not any(one.repairable and self.policy.repairs(one.kind) for one in found):
                dropped[kind].append(source_id)
        for kind, ids in dropped.items():
            if ids:
                self.connection.execute(
                    statement("staged_activity/drop"),
                    {"run_id": run_id, "source_kind": kind, "source_ids": ids},
                )

    def _activity(self, row: Sequence[Any]) -> list[Finding]:
        kind, source_id, contact_id, desired, in_step, state, crm_id, last_sent, person, *_ = row
        where = {
            "source_kind": kind,
            "source_id": source_id,
            "contact_id": contact_id,
            "crm_kind": ACTIVITY,
            "side": Side.OURS,
            "repairable": True,
        }
        # What Krayin accepted differs by names at most: those that were used when it was said.
        if MappingState.GONE in {person, state} or in_step:
            return []
        if crm_id is None:
            text = "make the activity" if person == MappingState.LINKED else "make it with its contact"
            return [Finding(FindingClass.MISSING, text, **where, calls=1)]
        wanted = activity_sent(DesiredActivity.from_json(desired), {})
        before = {**(last_sent or {}), "type": desired["type"]}
        names = activity_differences(wanted, before)
        return [
            Finding(
                FindingClass.CHANGED,
                "write what Chatwoot says",
                **where,
                crm_id=crm_id,
                field=name,
                calls=int(place == 0),
            )
            # A conversation that moved to another contact differs in nothing but whom it hangs on.
            for place, name in enumerate(names or ["contact"])
        ]

    def _stage(self, row: Sequence[Any]) -> list[Finding]:
        _, source_id, contact_id, desired, _, _, _, last_sent, _, *lead = row
        lead_state, lead_id, origin, facts, follows = lead
        # What a lead that follows a closed one has qualified counts from a closing that is not known here.
        if lead_state != MappingState.LINKED or facts is None or follows:
            return []
        before = last_sent or {}
        base = before.get("stage") if before.get("lead") == lead_id else None
        if base is None and origin == "created":
            base = self.first_stage
        wanted = TargetStage(
            desired["stage_id"],
            Milestone(desired["milestone"]),
            datetime.fromisoformat(desired["reached_at"]),
        )
        standing = LeadPosition(facts.get("pipeline_id"), facts.get("stage_id"), base)
        verdict = decide(wanted, standing, self.pipeline, self.on_crm_edit)
        if verdict is StageDecision.MOVED_BY_HAND:
            # What stands beyond the stage qualified is no difference: leads are only moved forward.
            ahead = decide(wanted, standing, self.pipeline, "overwrite") is not StageDecision.MOVE
            if ahead:
                return []
        elif verdict is not StageDecision.MOVE:
            return []
        moves = verdict is StageDecision.MOVE
        return [
            Finding(
                FindingClass.MOVED_STAGE,
                "move the lead on" if moves else "none: where a salesperson put it the lead stays",
                source_kind="contact",
                source_id=source_id,
                contact_id=contact_id,
                crm_kind="lead",
                crm_id=lead_id,
                field="stage",
                side=Side.OURS if moves else Side.THEIRS,
                detail={"wanted": wanted.stage_id, "krayin": facts.get("stage_id")},
                calls=int(moves),
                repairable=moves,
            )
        ]

    def _contacts(self, rows: Sequence[Mapping[str, Any]]) -> dict[int, int]:
        """Return the contact of each activity by mapping row, from the record it was hung on."""
        found: dict[int, int] = {}
        for kind in ("person", "lead"):
            hung = {row["id"]: (row["last_sent"] or {}).get(kind) for row in rows}
            ids = sorted({one for one in hung.values() if one is not None})
            if not ids:
                continue
            owners = {
                row[0]: int(row[1])
                for row in self.connection.execute(
                    statement("mapping/owners"),
                    {**self.identity.parameters(), "crm_kind": kind, "crm_ids": ids},
                )
            }
            found |= {row_id: owners[one] for row_id, one in hung.items() if one in owners}
        return found

    def _busy(self, source_kind: str, source_ids: Sequence[str]) -> set[str]:
        rows = self.connection.execute(
            statement("operation/waiting"),
            {**self.identity.parameters(), "source_kind": source_kind, "source_ids": list(source_ids)},
        )
        return {row[0] for row in rows}
