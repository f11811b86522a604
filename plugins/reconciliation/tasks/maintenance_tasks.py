"""What the tasks of the maintenance DAG do."""

from __future__ import annotations

from reconciliation.maintenance.retention import load_retention, retain
from reconciliation.settings.airflow_connections import sync_dsn
from reconciliation.sync_database.connection import connect
from reconciliation.tasks.telling import telling


def delete_what_is_old() -> dict[str, int]:
    """Delete what the sync database need not keep; return how many rows of each kind that was."""
    with telling(lambda: connect(sync_dsn())) as connection:
        return telling(lambda: retain(connection, load_retention()))
