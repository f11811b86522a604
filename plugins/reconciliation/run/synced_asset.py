"""The Airflow asset of a sync: each of its events tells that a run has ended, with its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Asset, AssetAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# Of the numbers of a run; no contents.
TOLD = ("run", "state", "read", "calls", "writes", "created", "updated", "adopted", "quarantined", "waiting")


def synced(sync_name: str) -> Asset:
    """Return the asset that other DAGs may be scheduled by."""
    return Asset(name=f"{sync_name}__synced", uri=f"krayin-sync://synced/{sync_name}")


def maybe_synced(sync_name: str) -> AssetAlias:
    """Return the outlet of tasks that load: an event comes of it only when one is added."""
    return AssetAlias(f"{sync_name}__maybe_synced")


def tell_synced(context: Mapping[str, Any], sync_name: str, numbers: Mapping[str, Any]) -> None:
    """Add an event with a run's numbers when the task whose `context` this is succeeds."""
    extra = {name: numbers[name] for name in TOLD if name in numbers}
    context["outlet_events"][maybe_synced(sync_name)].add(synced(sync_name), extra=extra)
