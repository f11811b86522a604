"""Checks every five minutes whether something is wrong with a sync, and reports each change once.

It watches the quarantine, calls without a known outcome, how far behind each sync is, its last run and
comparison, the API token, incidents, and plans that wait for approval. The sync file says who is notified
(`notify`). Without that entry nobody is. The end of a problem is reported too.
"""

from __future__ import annotations

from airflow.sdk import dag, get_current_context, task
from reconciliation.airflow.dag_defaults import ONE_AT_A_TIME


@dag(
    # Not in the minutes in which syncs begin.
    schedule="2-59/5 * * * *",
    tags=["krayin"],
    doc_md=__doc__,
    **ONE_AT_A_TIME,
)
def krayin_alerts() -> None:
    @task(multiple_outputs=False)
    def look() -> dict[str, list[str]]:
        from reconciliation.airflow import admin_tasks

        return admin_tasks.watch_syncs(get_current_context())

    look()


krayin_alerts()
