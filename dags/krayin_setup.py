"""Migrates the sync database and checks every sync, daily.

Run it after you change a connection or a sync file. For each sync it checks that Chatwoot can be read, that
Krayin answers and accepts the token, and that Krayin has the pipelines, stages, sources, types, users and
attributes which the sync file names. The tasks' logs show the result.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, task
from reconciliation.settings.sync_files import load_syncs

SYNC_NAMES = [sync.name for sync in load_syncs()]


@dag(
    schedule="@daily",
    catchup=False,
    max_active_runs=1,
    tags=["krayin"],
    doc_md=__doc__,
    default_args={"owner": "krayin-sync", "retries": 2, "retry_delay": timedelta(seconds=20)},
)
def krayin_setup() -> None:
    @task
    def migrate() -> None:
        from reconciliation.airflow import admin_tasks

        admin_tasks.migrate()

    migrated = migrate()
    for name in SYNC_NAMES:

        @task(task_id=f"check_{name}")
        def check(sync_name: str) -> None:
            from reconciliation.airflow import admin_tasks

            admin_tasks.check(sync_name)

        migrated >> check(name)


krayin_setup()
