"""Records of ours that Krayin has more than once, as findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from statements import statement

from reconciliation.finding import Finding, FindingClass, Side
from reconciliation.listings import ACTIVITY, LEAD, PERSON

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import psycopg

    from reconciliation.identity import Identity

_REPAIR = {
    PERSON: "none: merge the persons in Krayin, or correct the one that is wrong",
    LEAD: "none: close or delete the lead that is too many",
    ACTIVITY: "none: delete the activity that is too many",
}


def duplicates(
    connection: psycopg.Connection,
    identity: Identity,
    kinds: Collection[str],
    pipeline_id: int,
    final_stages: Collection[int],
) -> list[Finding]:
    """Return a finding for every Krayin record that stands beside one of ours.

    Persons are duplicates by an e-mail or phone in compared form, activities by our mark. Of the leads
    of one person only open ones in the sync's pipeline count, beside the contact's own.
    """
    found = []
    for kind in (PERSON, LEAD, ACTIVITY):
        if kind not in kinds:
            continue
        for crm_id, by, beside, source_kind, source_id, facts in connection.execute(
            statement("reconcile/duplicates"), {**identity.parameters(), "crm_kind": kind}
        ):
            if kind == LEAD and not _counts(facts, pipeline_id, final_stages):
                continue
            found.append(
                Finding(
                    FindingClass.DUPLICATE,
                    _REPAIR[kind],
                    source_kind=source_kind,
                    source_id=source_id,
                    contact_id=int(source_id) if source_kind == "contact" else None,
                    crm_kind=kind,
                    crm_id=crm_id,
                    side=Side.THEIRS,
                    detail={"same": sorted(by), "candidates": [*sorted(beside), crm_id]},
                )
            )
    return found


def _counts(facts: Mapping[str, Any], pipeline_id: int, final_stages: Collection[int]) -> bool:
    return facts.get("pipeline_id") == pipeline_id and facts.get("stage_id") not in final_stages
