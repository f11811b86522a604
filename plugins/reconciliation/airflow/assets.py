"""The Airflow assets of a sync: a run that has ended, and a plan that waits for approval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Asset, AssetAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# Of the numbers of a run; no contents.
REPORTED = (
    "run",
    "state",
    "read",
    "calls",
    "writes",
    "created",
    "updated",
    "adopted",
    "quarantined",
    "waiting",
)


def synced(sync_name: str) -> Asset:
    """Return the asset that other DAGs may be scheduled by."""
    return Asset(name=f"{sync_name}__synced", uri=f"krayin-sync://synced/{sync_name}")


def maybe_synced(sync_name: str) -> AssetAlias:
    """Return the outlet of tasks that load: it gets an event only when `emit_synced` adds one."""
    return AssetAlias(f"{sync_name}__maybe_synced")


def emit_synced(context: Mapping[str, Any], sync_name: str, numbers: Mapping[str, Any]) -> None:
    """Add an event with a run's numbers, for when the task whose `context` this is succeeds."""
    extra = {name: numbers[name] for name in REPORTED if name in numbers}
    context["outlet_events"][maybe_synced(sync_name)].add(synced(sync_name), extra=extra)


def held_plans(sync_name: str) -> Asset:
    """Return the asset of a sync's held plans: the approval DAG waits for its events."""
    return Asset(name=f"{sync_name}__held", uri=f"krayin-sync://held/{sync_name}")


def maybe_held(sync_name: str) -> AssetAlias:
    """Return the outlet of tasks that may hold a plan: it gets an event only when `emit_held` adds one."""
    return AssetAlias(f"{sync_name}__maybe_held")


def emit_held(context: Mapping[str, Any], sync_name: str) -> None:
    """Add an event, for when the task whose `context` this is succeeds."""
    context["outlet_events"][maybe_held(sync_name)].add(held_plans(sync_name))
