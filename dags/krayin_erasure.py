"""Erases one contact on request, from Krayin and from everything kept here.

Start it by hand with the sync and the id of the Chatwoot contact. It deletes the contact's activities,
leads and person in Krayin, then what the sync database holds of it. Organizations stay. Records that the
sync did not make stay too, unless you tick *Also what the sync did not make*. The receipt in the log lists
ids and numbers.

No sync brings the contact back, unless you start this DAG again with *Let it back*. Delete the contact in
Chatwoot as well.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, get_current_context, task
from reconciliation.airflow.dag_defaults import ONE_AT_A_TIME, sync_param

FORM = {
    "sync": sync_param(),
    "contact_id": Param(None, type=["null", "integer"], minimum=1, title="Contact",
                        description_md="Id of the contact: the number in its address in Chatwoot."),
    "also_adopted": Param(False, type="boolean", title="Also what the sync did not make",
                          description_md="Delete also a person and leads that were in Krayin before, and "
                          "leads that others made for the person."),
    "lift": Param(False, type="boolean", title="Let it back",
                  description_md="Erase nothing. Allow an erased contact to be brought over again."),
}  # fmt: skip


@dag(
    schedule=None,
    params=FORM,
    tags=["krayin"],
    doc_md=__doc__,
    **ONE_AT_A_TIME,
)
def krayin_erasure() -> None:
    # A call of unknown outcome is settled by the next run of the sync.
    @task(retries=10, retry_delay=timedelta(minutes=2), multiple_outputs=False)
    def erase() -> dict[str, Any]:
        from reconciliation.airflow import admin_tasks

        return admin_tasks.erase(get_current_context()["params"])

    erase()


krayin_erasure()
