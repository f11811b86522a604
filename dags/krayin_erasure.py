"""Erases one contact on request, from Krayin and from everything this bridge keeps.

Start it by hand and name the sync and the Chatwoot contact's id. Its activities, leads and person in
Krayin are deleted, then what the sync database holds of it; organizations stay. What the sync did not
make is kept unless the form says otherwise; the receipt (ids and numbers) tells. No sync brings the
contact back, as long as it is not let back here. Delete the contact in Chatwoot as well.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, get_current_context, task
from reconciliation.settings.sync_files import load_syncs

SYNC_NAMES = [sync.name for sync in load_syncs()]
FORM = {
    "sync": Param(SYNC_NAMES[0] if SYNC_NAMES else None, type=["null", "string"], enum=SYNC_NAMES or [None],
                  title="Sync"),
    "contact_id": Param(None, type=["null", "integer"], minimum=1, title="Contact",
                        description_md="The contact's id, the number in its address in Chatwoot."),
    "also_adopted": Param(False, type="boolean", title="Also what the sync did not make",
                          description_md="The person and leads that were in Krayin before, and all leads "
                          "that others made for the person."),
    "lift": Param(False, type="boolean", title="Let it back",
                  description_md="Erase nothing: an erased contact may be brought over again."),
}  # fmt: skip


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1,
    params=FORM,
    tags=["krayin"],
    doc_md=__doc__,
    default_args={"owner": "krayin-sync"},
)
def krayin_erasure() -> None:
    # A call of unknown outcome is settled by the next run of the sync.
    @task(retries=10, retry_delay=timedelta(minutes=2), multiple_outputs=False)
    def erase() -> dict[str, Any]:
        from reconciliation.airflow import admin_tasks

        return admin_tasks.erase(get_current_context()["params"])

    erase()


krayin_erasure()
