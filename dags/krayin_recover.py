"""Puts the links right when Krayin or Chatwoot is not the one we knew.

A sync stops at the first sign that Krayin was restored from a backup, emptied, replaced, or is a copy for
testing, or that Chatwoot no longer shows what it did. The incident on the page *Krayin sync* says what was
seen.

Start this DAG by hand and say what happened. It reads all of Krayin, then shows under *Required Actions*
what is there, what is gone, and what making it again would cost. *Approve* corrects the links, and the
syncs go on. Records of others are not touched.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param, dag, get_current_context, task
from reconciliation.airflow.dag_defaults import ONE_AT_A_TIME, RETRIED, sync_param
from reconciliation.model.happened import Happened

FORM = {
    "sync": sync_param("Any sync to that Krayin. All syncs to it are put right."),
    "happened": Param(None, type=["null", "string"], enum=[None, *map(str, Happened)], title="What happened"),
    "make_again": Param(True, type="boolean", title="Make again what is gone",
                        description_md="Off: records that are gone stay gone."),
    "former_address": Param(None, type=["null", "string"], title="Former address",
                            description_md="Only if Krayin moved. Empty: the last address of the sync."),
}  # fmt: skip


@dag(
    schedule=None,
    params=FORM,
    tags=["krayin"],
    doc_md=__doc__,
    **ONE_AT_A_TIME,
)
def krayin_recover() -> None:
    # Skipped, with all that follows, where there is nothing to approve.
    @task(**RETRIED, multiple_outputs=False)
    def look() -> dict[str, Any]:
        from reconciliation.airflow import admin_tasks

        return admin_tasks.plan_recovery(get_current_context())

    @task(**RETRIED)
    def carry_out(plan: dict[str, Any], given: dict[str, Any]) -> None:
        from reconciliation.airflow import admin_tasks

        admin_tasks.answer_recovery(plan, given)

    plan = look()
    answer = HITLOperator(
        task_id="answer",
        subject="{{ ti.xcom_pull(task_ids='look')['subject'] }}",
        body="{{ ti.xcom_pull(task_ids='look')['body'] }}",
        options=["Approve", "Decline"],
        response_timeout=timedelta(days=7),
    )
    plan >> answer
    carry_out(plan, answer.output)


krayin_recover()
