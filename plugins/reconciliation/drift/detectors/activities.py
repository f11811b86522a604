"""Activities and lead stages that differ from what was sent, or from what Chatwoot's conversations say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciliation.crm.fields import activity_sent
from reconciliation.drift.field_differences import activity_differences
from reconciliation.drift.finding import KEPT, Finding, FindingClass, Side
from reconciliation.extract.streams import STAGE, kind_of_lead
from reconciliation.model.desired_activity import DesiredActivity
from reconciliation.model.stages import (
    LeadPosition,
    Pipeline,
    StageDecision,
    TargetStage,
    decide,
)
from reconciliation.store.mapping_row import MappingState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reconciliation.crm.lists import CrmLists
    from reconciliation.drift.context import Drift
    from reconciliation.drift.detectors.crm_edits import CrmEdits
    from reconciliation.model.merge import OnCrmEdit

ACTIVITY = "activity"
# Of these the values are shown as well: what was said is never kept.
_HARMLESS = ("is_done", "schedule_from", "schedule_to")


def activities_in_krayin(drift: Drift, lists: CrmLists, edits: CrmEdits) -> Iterator[Finding]:
    """Yield what somebody changed or deleted of activities in Krayin."""
    if edits.activities:
        # The list was read a while ago, and the sync went on meanwhile: ask before claiming.
        lists.missing(ACTIVITY, [row["crm_id"] for row in edits.activities])
        ids = [row["id"] for row in edits.activities]
        rows = drift.rows("mapping/settled_activities", ids=ids)
        contacts = _contacts_of(drift, rows)
        for row in rows:
            yield from edited_activity(row, contacts.get(row["id"]), drift.settings.on_crm_edit)
    for deleted in edits.deleted_activities:
        yield deleted_activity(deleted, recreate=drift.policy.recreate)


def _contacts_of(drift: Drift, rows: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Return the contact of each activity by mapping row, from the record it was hung on."""
    found: dict[int, int] = {}
    for kind in ("person", "lead"):
        hung = {row["id"]: (row["last_sent"] or {}).get(kind) for row in rows}
        ids = sorted({one for one in hung.values() if one is not None})
        if ids:
            owners = drift.execute("mapping/owners", crm_kind=kind, crm_ids=ids)
            contacts = {crm_id: int(contact_id) for crm_id, contact_id in owners}
            found |= {row_id: contacts[one] for row_id, one in hung.items() if one in contacts}
    return found


def edited_activity(
    row: Mapping[str, Any], contact_id: int | None, on_crm_edit: OnCrmEdit
) -> Iterator[Finding]:
    """Yield what somebody changed of an activity; a row as `mapping/settled_activities` gives it."""
    overwrites = on_crm_edit == "overwrite"
    last_sent = row["last_sent"] or {}
    for place, name in enumerate(activity_differences(last_sent, row["facts"])):
        values = {"chatwoot": last_sent[name], "krayin": row["facts"].get(name)}
        yield Finding(
            FindingClass.CHANGED,
            "write what Chatwoot says" if overwrites else KEPT,
            **_activity(row, contact_id),
            crm_id=row["crm_id"],
            field=name,
            side=Side.THEIRS,
            detail=values if name in _HARMLESS else {},
            calls=int(overwrites and place == 0),
            repairable=overwrites,
        )


def deleted_activity(row: Mapping[str, Any], *, recreate: bool) -> Finding:
    """Return the finding of an activity that was deleted in Krayin; a row as `mapping/gone` gives it."""
    return Finding.stale("make the activity again", again=recreate, **_activity(row, None))


def _activity(row: Mapping[str, Any], contact_id: int | None) -> dict[str, Any]:
    return {
        "source_kind": row["source_kind"],
        "source_id": row["source_id"],
        "contact_id": contact_id,
        "crm_kind": ACTIVITY,
        "row_id": row["id"],
    }


@dataclass(frozen=True, slots=True)
class StagedDetector:
    """Yields in what staged activities and stage moves differ from what was sent; no I/O.

    `first_stage` is the one in which leads are made.
    """

    pipeline: Pipeline
    first_stage: int
    on_crm_edit: OnCrmEdit

    def findings(self, row: Mapping[str, Any]) -> Iterator[Finding]:
        """Yield the findings of one row of `staged_activity/due`."""
        return self._of_stage(row) if row["source_kind"] == STAGE else self._of_activity(row)

    @staticmethod
    def _of_activity(row: Mapping[str, Any]) -> Iterator[Finding]:
        # What Krayin accepted differs by names at most: those that were used when it was said.
        if MappingState.GONE in {row["person_state"], row["state"]} or row["is_accepted"]:
            return
        where = {
            "source_kind": row["source_kind"],
            "source_id": row["source_id"],
            "contact_id": row["contact_id"],
            "crm_kind": ACTIVITY,
            "crm_id": row["crm_id"],
            "side": Side.OURS,
            "repairable": True,
        }
        if row["crm_id"] is None:
            is_linked = row["person_state"] == MappingState.LINKED
            text = "make the activity" if is_linked else "make it with its contact"
            yield Finding(FindingClass.MISSING, text, **where, calls=1)
            return
        wanted = activity_sent(DesiredActivity.from_json(row["desired"]), {})
        before = {**(row["last_sent"] or {}), "type": row["desired"]["type"]}
        # A conversation that moved to another contact differs in nothing but whom it hangs on.
        for place, name in enumerate(activity_differences(wanted, before) or ["contact"]):
            text = "write what Chatwoot says"
            yield Finding(FindingClass.CHANGED, text, **where, field=name, calls=int(place == 0))

    def _of_stage(self, row: Mapping[str, Any]) -> Iterator[Finding]:
        facts, desired, before = row["lead_facts"], row["desired"], row["last_sent"] or {}
        # What a lead that follows a closed one has qualified counts from a closing that is not known here.
        if row["lead_state"] != MappingState.LINKED or facts is None or row["follows_lead"]:
            return
        base = before.get("stage") if before.get("lead") == row["lead_id"] else None
        if base is None and row["lead_origin"] == "created":
            base = row["made_in_stage"] or self.first_stage
        wanted = TargetStage.from_json(desired)
        position = LeadPosition(facts.get("pipeline_id"), facts.get("stage_id"), base)
        moves = decide(wanted, position, self.pipeline, self.on_crm_edit) is StageDecision.MOVE
        # What stands beyond the stage qualified is no difference: leads are only moved forward.
        if decide(wanted, position, self.pipeline, "overwrite") is StageDecision.MOVE:
            yield Finding(
                FindingClass.MOVED_STAGE,
                "move the lead on" if moves else "none: where a salesperson put it the lead stays",
                source_kind=kind_of_lead(row["source_id"]),
                source_id=row["source_id"],
                contact_id=row["contact_id"],
                crm_kind="lead",
                crm_id=row["lead_id"],
                field="stage",
                side=Side.OURS if moves else Side.THEIRS,
                detail={"wanted": wanted.stage_id, "krayin": facts.get("stage_id")},
                calls=int(moves),
                repairable=moves,
            )
