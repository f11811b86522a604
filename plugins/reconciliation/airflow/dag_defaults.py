"""What DAG files have in common; read at every parse, so it imports little."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import Asset, AssetAlias, Param

from reconciliation.settings.sync_files import load_syncs

if TYPE_CHECKING:
    from collections.abc import Mapping

ONE_AT_A_TIME: Final[dict[str, Any]] = {
    "catchup": False,
    "max_active_runs": 1,
    "default_args": {"owner": "krayin-sync"},
}
"""What the DAGs have in common."""
RETRIED: Final[dict[str, Any]] = {"retries": 2, "retry_delay": timedelta(seconds=30)}
"""What most tasks have in common."""

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
    "closed",
    "deleted",
    "quarantined",
    "waiting",
)
# Any day serves: the widest gap of a schedule within a year is looked for.
START = datetime(2026, 1, 1, tzinfo=UTC)
LOOKED_AT = 400


def sync_param(description: str = "") -> Param:
    """Return the field of a form that names a sync."""
    names = [sync.name for sync in load_syncs()]
    return Param(
        names[0] if names else None,
        type=["null", "string"],
        enum=names or [None],
        title="Sync",
        description_md=description,
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


def longest_gap(schedule: str) -> timedelta:
    """Return the longest time between two of the next 400 runs of a cron expression or preset."""
    from croniter import croniter  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415 - see settings

    runs = croniter(schedule, START)
    before: datetime = runs.get_next(datetime)
    longest = timedelta()
    for _ in range(LOOKED_AT):
        following: datetime = runs.get_next(datetime)
        longest = max(longest, following - before)
        before = following
    return longest
