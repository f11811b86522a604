"""What waits for a person's decision, calls of unknown outcome, and leads of ours that are to be reopened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciliation.drift.finding import Finding, FindingClass, FindingState, Side
from reconciliation.extract.streams import LEAD, SPECS, kind_of_lead
from reconciliation.model.desired_contact import contact_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciliation.drift.context import Drift

_CRM_KINDS = {"company": "organization", LEAD: "lead", **{spec.kind: spec.crm_kind for spec in SPECS}}


def unsettled(drift: Drift) -> Iterator[Finding]:
    """Yield a finding for every operation of the sync that is quarantined or without a known outcome."""
    for row in drift.rows("operation/unsettled"):
        is_quarantined = row["state"] == "quarantined"
        is_of_contact = row["source_kind"] in {"contact", "stage"}
        yield Finding(
            FindingClass.QUARANTINED if is_quarantined else FindingClass.UNKNOWN,
            "none: put it right, then try it again (page Waiting for a decision)"
            if is_quarantined
            else "the next run looks it up in Krayin",
            source_kind=row["source_kind"],
            source_id=row["source_id"],
            contact_id=contact_of(row["source_id"]) if is_of_contact else row["contact_id"],
            crm_kind=_CRM_KINDS[row["source_kind"]],
            detail={
                "operation": row["id"],
                "reason": row["error_class"],
                "message": row["error_message"],
                "candidates": row["candidates"] or [],
            },
        )


def closed_by_us(drift: Drift) -> Iterator[Finding]:
    """Yield a finding for every lead that we closed and have not reopened though its contact is there."""
    for source_id, lead_id, wanted, shown in drift.execute("removal/standing"):
        yield Finding(
            FindingClass.MOVED_STAGE,
            "reopen the lead where it stood: it was closed while its contact was not to be seen in Chatwoot",
            source_kind=kind_of_lead(source_id),
            source_id=source_id,
            contact_id=contact_of(source_id),
            crm_kind="lead",
            crm_id=lead_id,
            field="stage",
            side=Side.OURS,
            detail={"wanted": wanted, "krayin": shown},
            calls=1,
            state=FindingState.REPAIRING,
        )
