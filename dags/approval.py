"""One DAG per sync: asks a person before a plan is carried out that changes more than usual.

The run that held the plan starts this DAG; the question is under *Required Actions*. *Approve* carries the
plan out at once. *Decline* leaves Krayin as it is. Without an answer in time the run fails and the plan
stays held. Everything else goes on meanwhile. A contact of the held plan that changes again is brought over
in its newest state. Start the DAG by hand to be asked again about what is still held.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import DAG, TriggerRule, dag, get_current_context, task
from reconciliation.airflow.dag_defaults import ONE_AT_A_TIME, RETRIED, held_plans, maybe_held
from reconciliation.airflow.operators import sync_task
from reconciliation.settings.sync_files import usable_syncs

if TYPE_CHECKING:
    from reconciliation.settings.sync_settings import SyncSettings

LOAD_SECONDS = 55 * 60.0


def approval_dag(settings: SyncSettings) -> DAG:
    @dag(
        f"{settings.name}__approval",
        schedule=[held_plans(settings.name)],
        tags=["krayin", settings.name],
        doc_md=__doc__,
        **ONE_AT_A_TIME,
    )
    def build() -> None:
        @task(**RETRIED, multiple_outputs=False)
        def question() -> dict[str, Any]:
            from reconciliation.airflow import sync_tasks

            return sync_tasks.question_of(settings.name, get_current_context())

        @task(**RETRIED, outlets=[maybe_held(settings.name)])
        def carry_out(asked: dict[str, Any], given: dict[str, Any]) -> None:
            from reconciliation.airflow import sync_tasks

            sync_tasks.apply_answer(settings.name, asked, given, get_current_context())

        @sync_task(settings.name, "load", **RETRIED, multiple_outputs=False)
        def load() -> dict[str, Any]:
            from reconciliation.airflow import sync_tasks

            return sync_tasks.load_approved(settings.name, get_current_context(), seconds=LOAD_SECONDS)

        @task(trigger_rule=TriggerRule.ONE_FAILED, retries=2)
        def keep_held(asked: dict[str, Any]) -> None:
            from reconciliation.airflow import sync_tasks

            sync_tasks.keep_held(settings.name, asked)

        asked = question()
        answer = HITLOperator(
            task_id="answer",
            subject="{{ ti.xcom_pull(task_ids='question')['subject'] }}",
            body="{{ ti.xcom_pull(task_ids='question')['body'] }}",
            options=["Approve", "Decline"],
            response_timeout=timedelta(days=settings.max_changes_without_approval.days_to_answer),
        )
        asked >> answer
        carry_out(asked, answer.output) >> load()
        answer >> keep_held(asked)

    return build()


for sync in usable_syncs():
    approval_dag(sync)
