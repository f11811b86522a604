"""One DAG per sync: brings history over, day by day.

First start it by hand: it forecasts how many calls and hours a window costs, and sends nothing. Then start
an Airflow backfill over the days you want. Each run takes the contacts, conversations and messages that
were created or changed on its day. Webhooks and scheduled runs go first.

You can repeat, cancel and resume days. The watermark of `<sync>__sync` never moves. The runs of this DAG's
own schedule do nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, CronDataIntervalTimetable, Param, dag, get_current_context
from reconciliation.airflow.dag_defaults import ONE_AT_A_TIME, RETRIED, maybe_held, maybe_synced
from reconciliation.airflow.operators import sync_task
from reconciliation.settings.sync_files import usable_syncs

if TYPE_CHECKING:
    from reconciliation.settings.sync_settings import SyncSettings

# A backfill takes its days from this timetable.
DAILY = CronDataIntervalTimetable("0 0 * * *", timezone="UTC")
FORM = {
    "window_start": Param(None, type=["null", "string"], format="date-time", title="Changed from",
                            description_md="Start of the window. Empty: from the beginning."),
    "window_end": Param(None, type=["null", "string"], format="date-time", title="Changed before",
                        description_md="End of the window. Empty: now."),
    "carry_out": Param(False, type="boolean", title="Carry it out",
                       description_md="Off: the run only says how many calls and hours the window costs. "
                       "Runs of an Airflow backfill are always carried out."),
}  # fmt: skip


def backfill_dag(settings: SyncSettings) -> DAG:
    @dag(
        f"{settings.name}__backfill",
        schedule=DAILY,
        params=FORM,
        tags=["krayin", settings.name],
        doc_md=__doc__,
        **ONE_AT_A_TIME,
    )
    def build() -> None:
        # Days take turns, so that they leave Airflow's slots to the other DAGs; one task, because every
        # further one costs each day seconds.
        @sync_task(
            settings.name,
            "sync",
            **RETRIED,
            multiple_outputs=False,
            max_active_tis_per_dag=1,
            outlets=[maybe_held(settings.name), maybe_synced(settings.name)],
        )
        def bring_over() -> dict[str, Any]:
            from reconciliation.airflow import sync_tasks

            return sync_tasks.backfill(settings.name, get_current_context())

        bring_over()

    return build()


for sync in usable_syncs():
    backfill_dag(sync)
