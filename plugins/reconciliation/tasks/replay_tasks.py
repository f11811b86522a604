"""What the task of the replay DAG does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciliation.settings.airflow_connections import sync_dsn
from reconciliation.sync_database.connection import connect
from reconciliation.sync_database.replay import ReplayRequest
from reconciliation.sync_database.replay import replay as replay_operations
from reconciliation.tasks.telling import telling

if TYPE_CHECKING:
    from collections.abc import Mapping


def replay(params: Mapping[str, Any]) -> dict[str, int]:
    """Plan quarantined or declined operations again that a form names; return how many, and how many not."""
    request = telling(
        lambda: ReplayRequest(
            str(params["sync"]),
            params.get("operation"),
            params.get("error_class") or None,
            bool(params.get("all")),
            params.get("approval"),
        )
    )
    with telling(lambda: connect(sync_dsn())) as connection:
        done = replay_operations(connection, request)
    return {"planned": done.planned, "left": done.left}
