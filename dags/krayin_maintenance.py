"""Deletes old data from the sync database and checks it, daily.

`include/retention.yaml` says after how many days finished work is deleted. Unfinished work stays. Then SQL
checks run, the statements of `include/sql/quality.sql`. A failed check names what is wrong and how many rows
show it; an administrator should look at it.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.sql.operators.sql import SQLCheckOperator, SQLThresholdCheckOperator
from airflow.sdk import dag, task
from reconciliation.airflow.dag_defaults import ONE_AT_A_TIME, longest_gap
from reconciliation.settings.sync_files import BrokenSync, load_syncs
from statements import statement

SYNC_DATABASE = "sync_db"
NO_ROW = (
    "linked_without_record", "record_of_two_contacts", "leases_left", "plans_of_one_record",
    "held_without_question", "planned_without_operation", "erased_contacts_back",
)  # fmt: skip
SCHEDULES_MISSED = 10


@dag(schedule="40 3 * * *", tags=["krayin"], doc_md=__doc__, **ONE_AT_A_TIME)
def krayin_maintenance() -> None:
    @task(multiple_outputs=False, retries=2, retry_delay=timedelta(minutes=5))
    def retain() -> dict[str, int]:
        from reconciliation.airflow import admin_tasks

        return admin_tasks.delete_old_rows()

    retained = retain()
    for name in NO_ROW:
        retained >> SQLThresholdCheckOperator(
            task_id=f"check_{name}",
            conn_id=SYNC_DATABASE,
            sql=statement(f"quality/{name}"),
            min_threshold=0,
            max_threshold=0,
        )
    for sync in load_syncs():
        if isinstance(sync, BrokenSync) or sync.schedule is None or not sync.enabled:
            continue
        oldest = SCHEDULES_MISSED * longest_gap(sync.schedule)
        retained >> SQLCheckOperator(
            task_id=f"check_{sync.name}_is_read",
            conn_id=SYNC_DATABASE,
            sql=statement("quality/watermark_moves"),
            parameters={"sync_name": sync.name, "oldest_seconds": oldest.total_seconds()},
        )


krayin_maintenance()
