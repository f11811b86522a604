"""One DAG per sync file: extracts changed contacts, plans, and loads them into Krayin.

A scheduled run goes on from the watermark; one started by hand does what its form asks for.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Param, dag, get_current_context, task
from reconciliation.held_asset import maybe_held
from reconciliation.sync_files import BrokenSync, load_syncs

if TYPE_CHECKING:
    from reconciliation.settings import SyncSettings

# A longer run leaves the rest to the next one, so that new changes are planned meanwhile.
LOAD_SECONDS = 55 * 60.0
FORM = {
    "contact_ids": Param("", type=["null", "string"], pattern=r"^[0-9, ]*$", title="Contacts",
                         description_md="Only these Chatwoot contact ids: `17, 42`."),
    "window_start": Param(None, type=["null", "string"], format="date-time", title="Changed from",
                          description_md="Only contacts created or updated in this window."),
    "window_end": Param(None, type=["null", "string"], format="date-time", title="Changed before"),
    "full": Param(False, type="boolean", title="Everything",
                  description_md="Compare every contact, whatever the watermark says."),
    "dry_run": Param(False, type="boolean", title="Dry run",
                     description_md="Plan and tell, send nothing, change nothing."),
}  # fmt: skip


def sync_dag(settings: SyncSettings) -> DAG:
    @dag(
        f"{settings.name}__sync",
        schedule=settings.schedule,
        catchup=False,
        max_active_runs=1,
        params=FORM,
        tags=["krayin", settings.name],
        doc_md=__doc__,
        default_args={"owner": "krayin-sync"},
    )
    def build() -> None:
        @task(retries=2, retry_delay=timedelta(seconds=30), outlets=[maybe_held(settings.name)])
        def plan() -> int:
            from reconciliation import tasks

            return tasks.plan(settings.name, get_current_context())

        @task(retries=2, retry_delay=timedelta(seconds=30), multiple_outputs=False)
        def load(run: int) -> dict[str, Any]:
            from reconciliation import tasks

            return tasks.load(settings.name, run, seconds=LOAD_SECONDS if settings.schedule else None)

        load(plan())

    return build()


def broken_dag(broken: BrokenSync) -> DAG:
    @dag(
        f"{broken.name}__sync",
        schedule=None,
        tags=["krayin", "broken"],
        doc_md=f"This sync cannot run:\n\n```\n{broken.error}\n```",
    )
    def build() -> None:
        @task
        def mend_the_sync_file() -> None:
            raise broken.error

        mend_the_sync_file()

    return build()


for sync in load_syncs():
    globals()[f"{sync.name}__sync"] = broken_dag(sync) if isinstance(sync, BrokenSync) else sync_dag(sync)
