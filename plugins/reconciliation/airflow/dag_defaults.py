"""What DAG files have in common; read at every parse, so it imports little."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from airflow.sdk import Param

from reconciliation.settings.sync_files import load_syncs

ONE_AT_A_TIME: Final[dict[str, Any]] = {
    "catchup": False,
    "max_active_runs": 1,
    "default_args": {"owner": "krayin-sync"},
}
"""What the DAGs have in common."""
RETRIED: Final[dict[str, Any]] = {"retries": 2, "retry_delay": timedelta(seconds=30)}
"""What most tasks have in common."""


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
