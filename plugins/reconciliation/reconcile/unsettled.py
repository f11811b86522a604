"""What waits for a decision, calls of unknown outcome, and removals to be undone, as findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statements import statement

from reconciliation.reconcile.finding import Finding, FindingClass, FindingState, Side

if TYPE_CHECKING:
    import psycopg

    from reconciliation.binding_scope import BindingScope

_CRM_KINDS = {
    "contact": "person",
    "company": "organization",
    "conversation": "activity",
    "message": "activity",
    "stage": "lead",
}


def unsettled(connection: psycopg.Connection, identity: BindingScope, sync_name: str) -> list[Finding]:
    """Return a finding for every operation of a sync that is quarantined or without a known outcome."""
    found = []
    for number, kind, source_id, state, reason, message, candidates, contact_id in connection.execute(
        statement("operation/unsettled"), {**identity.parameters(), "sync_name": sync_name}
    ):
        quarantined = state == "quarantined"
        found.append(
            Finding(
                FindingClass.QUARANTINED if quarantined else FindingClass.UNKNOWN,
                "none: put it right, then replay it (DAG krayin_replay)"
                if quarantined
                else "the next run looks it up in Krayin",
                source_kind=kind,
                source_id=source_id,
                contact_id=int(source_id) if kind in {"contact", "stage"} else contact_id,
                crm_kind=_CRM_KINDS[kind],
                detail={
                    "operation": number,
                    "reason": reason,
                    "message": message,
                    "candidates": candidates or [],
                },
            )
        )
    return found


def closed_by_us(connection: psycopg.Connection, identity: BindingScope) -> list[Finding]:
    """Return a finding for every lead that we closed and have not reopened though its contact is there."""
    return [
        Finding(
            FindingClass.MOVED_STAGE,
            "reopen the lead where it stood: it was closed while its contact was not to be seen in Chatwoot",
            source_kind="contact",
            source_id=source_id,
            contact_id=int(source_id),
            crm_kind="lead",
            crm_id=lead_id,
            field="stage",
            side=Side.OURS,
            detail={"wanted": wanted, "krayin": shown},
            calls=1,
            state=FindingState.REPAIRING,
        )
        for source_id, lead_id, wanted, shown in connection.execute(
            statement("removal/standing"), identity.parameters()
        )
    ]
