"""One DAG per sync: brings changes over within seconds when a Chatwoot webhook names them.

A waiting webhook starts it. The run takes all waiting webhooks, reads the contacts they name from Chatwoot,
then plans and loads them like any other run. Nothing from a webhook's body is written to Krayin. Every five
minutes the DAG also looks by itself, in case a webhook was left behind by a restart or a pause.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import (
    DAG,
    Asset,
    AssetOrTimeSchedule,
    AssetWatcher,
    CronTriggerTimetable,
    dag,
    get_current_context,
)
from reconciliation.airflow.dag_defaults import maybe_held, maybe_synced
from reconciliation.airflow.inbox_trigger import InboxTrigger
from reconciliation.airflow.operators import sync_task
from reconciliation.settings.sync_files import usable_syncs

if TYPE_CHECKING:
    from reconciliation.settings.sync_settings import SyncSettings

# Every five minutes, but not with everybody else: a webhook that comes meanwhile would wait for them.
POLL = "4-59/5 * * * *"


def events_dag(settings: SyncSettings) -> DAG:
    inbox = Asset(
        name=f"{settings.name}__inbox",
        uri=f"krayin-sync://inbox/{settings.name}",
        watchers=[AssetWatcher(name=f"{settings.name}__webhooks", trigger=InboxTrigger(settings.name))],
    )

    @dag(
        f"{settings.name}__events",
        schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable(POLL, timezone="UTC"), assets=[inbox]),
        catchup=False,
        # One works, the next stands ready, and the one of the clock may come between: never as many as this.
        # Airflow 3.3 keeps a mark on a DAG that has reached its number, and a run that ends while the file is
        # parsed leaves it standing until the next parsing: a webhook would wait for seconds.
        max_active_runs=4,
        tags=["krayin", settings.name],
        doc_md=__doc__,
        default_args={"owner": "krayin-sync"},
    )
    def build() -> None:
        # One task: each further one would add half a second.
        @sync_task(
            settings.name,
            "sync",
            retries=2,
            retry_delay=timedelta(seconds=10),
            max_active_tis_per_dag=1,
            multiple_outputs=False,
            outlets=[maybe_held(settings.name), maybe_synced(settings.name)],
        )
        def act_on_events() -> dict[str, Any]:
            from reconciliation.airflow import sync_tasks

            return sync_tasks.events(settings.name, get_current_context())

        act_on_events()

    return build()


for sync in usable_syncs():
    events_dag(sync)
