"""The Airflow asset that tells of a held plan: the approval DAG waits for its events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Asset, AssetAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def held_plans(sync_name: str) -> Asset:
    """Return the asset of a sync's held plans."""
    return Asset(name=f"{sync_name}__held", uri=f"krayin-sync://held/{sync_name}")


def maybe_held(sync_name: str) -> AssetAlias:
    """Return the outlet of tasks that may hold a plan: an event comes of it only when one is added."""
    return AssetAlias(f"{sync_name}__maybe_held")


def tell(context: Mapping[str, Any], sync_name: str) -> None:
    """Add an event when the task whose `context` this is succeeds."""
    context["outlet_events"][maybe_held(sync_name)].add(held_plans(sync_name))
