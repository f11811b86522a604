"""Finds the closed leads that are to be followed by a new one, because their contact wrote again."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from reconciliation.store.mapping_row import MappingState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from reconciliation.plan.engine import PlanEngine
    from reconciliation.plan.present_records import PlanReads
    from reconciliation.store.mapping_row import MappingRow

Key = TypeVar("Key", int, str)


def to_follow(
    engine: PlanEngine,
    reads: PlanReads | None,
    active: Mapping[Key, datetime],
    rows: Mapping[Key, MappingRow],
) -> dict[Key, int]:
    """Return the leads that were closed before their contact was `active`, and note who was looked at.

    `rows` are the mapping rows of the leads.
    """
    leads = {
        one: rows[one].crm_id or 0
        for one in active
        if rows[one].state is MappingState.LINKED and rows[one].crm_id is not None
    }
    if not leads or reads is None:
        return {}
    ours = engine.execute("removal/closed_among", crm_ids=list(leads.values()))
    # What we closed ourselves is reopened, not followed.
    left_out = {row[0] for row in ours}
    closed = reads.closed(lead for lead in leads.values() if lead not in left_out)
    follow = {
        one: lead_id for one, lead_id in leads.items() if lead_id in closed and closed[lead_id] < active[one]
    }
    seen = [one for one in leads if one not in follow]
    engine.execute(
        "mapping/activity_seen",
        ids=[rows[one].id for one in seen],
        active_ats=[active[one] for one in seen],
    )
    return follow
