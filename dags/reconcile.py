"""One DAG per sync: compares Krayin with Chatwoot, reports differences, repairs what you allow.

A scheduled run reads what changed on either side since the last one. On one weekday it reads all of Krayin,
which is the only way to see what was deleted there. A run started by hand does what its form says. The sync
file says what is repaired (`reconcile`). Repairs use the same plan, rate budget and approval as everything
else, after all other work. The last task makes a report; its button *Report* opens it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Param, TriggerRule, dag, get_current_context
from reconciliation.airflow.dag_defaults import ONE_AT_A_TIME, RETRIED, maybe_held
from reconciliation.airflow.operators import ReportOperator, sync_task
from reconciliation.settings.sync_files import usable_syncs

if TYPE_CHECKING:
    from reconciliation.settings.sync_settings import SyncSettings

# A longer repair leaves the rest to the next run of the sync.
REPAIR_SECONDS = 55 * 60.0
FORM = {
    "depth": Param("as scheduled", type="string", enum=["as scheduled", "changed", "full"], title="Depth",
                   description_md="`full` reads all of Krayin, 500 records per call."),
    "repair": Param("as set", type="string", enum=["as set", "yes", "no"], title="Repair",
                    description_md="`as set`: as the sync file says. `yes`: everything. `no`: report only."),
    "contact_ids": Param("", type=["null", "string"], pattern=r"^[0-9, ]*$", title="Contacts",
                         description_md="Only the Chatwoot contacts with these ids: `17, 42`."),
    "accept": Param("", type=["null", "string"], pattern=r"^[0-9, ]*$", title="Accept",
                    description_md="Numbers of findings to leave as they are until they change."),
}  # fmt: skip


def reconcile_dag(settings: SyncSettings) -> DAG:
    @dag(
        f"{settings.name}__reconcile",
        schedule=settings.reconcile.schedule,
        params=FORM,
        tags=["krayin", settings.name],
        doc_md=__doc__,
        **ONE_AT_A_TIME,
    )
    def build() -> None:
        @sync_task(settings.name, "compare", **RETRIED, outlets=[maybe_held(settings.name)])
        def compare() -> int:
            from reconciliation.airflow import sync_tasks

            return sync_tasks.compare(settings.name, get_current_context())

        @sync_task(settings.name, "load", **RETRIED, multiple_outputs=False)
        def repair(run: int) -> dict[str, Any]:
            from reconciliation.airflow import sync_tasks

            return sync_tasks.repair(settings.name, run, seconds=REPAIR_SECONDS)

        run = compare()
        repaired = repair(run)
        # What was found is worth a report even if its repair ended early; the run counts as failed then.
        report = ReportOperator(
            task_id="report",
            sync_name=settings.name,
            run=run,
            trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS,
            **RETRIED,
        )
        repaired >> report
        [repaired, report] >> EmptyOperator(task_id="ended")

    return build()


for sync in usable_syncs():
    reconcile_dag(sync)
