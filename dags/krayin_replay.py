"""Plans quarantined or declined operations again.

Start it by hand when the cause of a quarantine is corrected in Chatwoot or Krayin, or when a declined plan
is wanted after all. Choose the sync and exactly one of these: one operation by its number, all operations
of one reason, everything quarantined, or a declined approval. The next run of the sync carries them out.
Before it creates anything, it asks Krayin whether the record is there already.
"""

from __future__ import annotations

from airflow.sdk import Param, dag, get_current_context, task
from reconciliation.airflow.dag_defaults import ONE_AT_A_TIME, sync_param

FORM = {
    "sync": sync_param(),
    "operation": Param(None, type=["null", "integer"], minimum=1, title="One operation",
                       description_md="Its number, shown in the log and in the quarantine list."),
    "error_class": Param(None, type=["null", "string"], title="All of one reason",
                         description_md="For example `address_refused`, `rejected` or `ambiguous_person`."),
    "all": Param(False, type="boolean", title="Everything quarantined"),
    "approval": Param(None, type=["null", "integer"], minimum=1, title="A declined approval",
                      description_md="Its number, shown in the question. You are not asked again."),
}  # fmt: skip


@dag(
    schedule=None,
    params=FORM,
    tags=["krayin"],
    doc_md=__doc__,
    **ONE_AT_A_TIME,
)
def krayin_replay() -> None:
    @task
    def replay() -> dict[str, int]:
        from reconciliation.airflow import admin_tasks

        return admin_tasks.replay(get_current_context())

    replay()


krayin_replay()
