"""One DAG per sync: brings changed contacts from Chatwoot into Krayin.

The `plan` task reads what changed and commits a plan; the `load` task carries it out. A scheduled run goes
on from where the last one stopped. A run started by hand does what its form says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Param, dag, get_current_context, task
from reconciliation.airflow.dag_defaults import ONE_AT_A_TIME, RETRIED, maybe_held, maybe_synced
from reconciliation.airflow.operators import sync_task
from reconciliation.settings.sync_files import usable_syncs

if TYPE_CHECKING:
    from reconciliation.settings.sync_settings import SyncSettings

# A longer run leaves the rest to the next one, so that new changes are planned meanwhile.
LOAD_SECONDS = 55 * 60.0
FORM = {
    "contact_ids": Param("", type=["null", "string"], pattern=r"^[0-9, ]*$", title="Contacts",
                         description_md="Only the Chatwoot contacts with these ids: `17, 42`."),
    "window_start": Param(None, type=["null", "string"], format="date-time", title="Changed from",
                          description_md="Only contacts created or changed in this window."),
    "window_end": Param(None, type=["null", "string"], format="date-time", title="Changed before"),
    "full": Param(False, type="boolean", title="Everything",
                  description_md="Compare every contact, not only those that changed."),
    "dry_run": Param(False, type="boolean", title="Dry run",
                     description_md="Only say what would be done. Nothing is sent or changed."),
}  # fmt: skip


def sync_dag(settings: SyncSettings) -> DAG:
    @dag(
        f"{settings.name}__sync",
        schedule=settings.schedule,
        params=FORM,
        tags=["krayin", settings.name],
        doc_md=__doc__,
        **ONE_AT_A_TIME,
    )
    def build() -> None:
        ended = maybe_synced(settings.name)

        @sync_task(settings.name, "plan", **RETRIED, outlets=[maybe_held(settings.name)])
        def plan() -> int:
            from reconciliation.airflow import sync_tasks

            return sync_tasks.plan(settings.name, get_current_context())

        @sync_task(settings.name, "load", **RETRIED, multiple_outputs=False, outlets=[ended])
        def load(run: int) -> dict[str, Any]:
            from reconciliation.airflow import sync_tasks

            seconds = LOAD_SECONDS if settings.schedule else None
            return sync_tasks.load(settings.name, run, seconds=seconds, context=get_current_context())

        @task(**RETRIED, multiple_outputs=False)
        def help_load(run: int, number: int) -> dict[str, Any]:
            from reconciliation.airflow import sync_tasks

            seconds = LOAD_SECONDS if settings.schedule else None
            return sync_tasks.help_load(settings.name, run, number, seconds=seconds)

        run = plan()
        load(run)
        for number in range(2, settings.krayin.loaders + 1):
            help_load.override(task_id=f"load_{number}")(run, number)

    return build()


for sync in usable_syncs():
    sync_dag(sync)
