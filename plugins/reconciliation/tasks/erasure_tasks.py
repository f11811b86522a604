"""What the tasks of the erasure DAG do."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from reconciliation.erasure.contact_erasure import erase, identity_of, let_back
from reconciliation.sync_database.connection import connect
from reconciliation.tasks.opening import open_sync
from reconciliation.tasks.telling import telling

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)


def carry_out(params: Mapping[str, Any]) -> dict[str, Any]:
    """Erase the contact a form names, or let it back; return the receipt (ids and numbers only)."""
    if not params.get("sync") or not params.get("contact_id"):
        problem = "Name the sync and the contact's id in Chatwoot: nothing was erased."
        raise AirflowFailException(problem)
    sync, contact_id = telling(lambda: open_sync(str(params["sync"]))), int(params["contact_id"])
    if params.get("lift"):
        with telling(lambda: connect(sync.sync_dsn)) as connection:
            lifted = let_back(connection, telling(lambda: identity_of(sync, connection)), contact_id)
        if lifted:
            log.info("Contact %d may come over again: run %s__sync for it", contact_id, sync.settings.name)
        else:
            log.info("Contact %d was not erased", contact_id)
        return {"contact": contact_id, "lifted": lifted}
    receipt = telling(lambda: erase(sync, contact_id, also_adopted=bool(params.get("also_adopted"))))
    return {"contact": contact_id, **receipt.to_json()}
