"""What the tasks of the recovery DAG do."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from reconciliation.approval.question import APPROVE
from reconciliation.extract.look import FEWER, OTHER, confirm_source
from reconciliation.recover.recovery import Happened, answer_recovery, declare_false_alarm, plan_recovery
from reconciliation.settings.airflow_connections import sync_dsn
from reconciliation.sync_database.connection import connect
from reconciliation.sync_database.incidents import open_incidents
from reconciliation.tasks.opening import open_sync
from reconciliation.tasks.telling import telling

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

FALSE_ALARM = "false alarm"
CHATWOOT_IS_RIGHT = "Chatwoot is right"


def look(context: Mapping[str, Any]) -> dict[str, Any]:
    """Do what the form says: plan a recovery, and return `recovery` (its id), `subject` and `body`.

    Raises:
        AirflowSkipException: it was a false alarm, or Chatwoot is right; nothing is to be approved.
    """
    params, by = context["params"], _user(context)
    happened = str(params.get("happened") or "")
    if not params.get("sync") or not happened:
        problem = "Name the sync and say what happened: nothing was done."
        raise AirflowFailException(problem)
    if happened.startswith(CHATWOOT_IS_RIGHT):
        number = telling(lambda: _confirm_chatwoot(str(params["sync"]), by))
        message = f"{number} incident(s) closed: what Chatwoot shows is right, and the sync goes on."
        raise AirflowSkipException(message)
    sync = telling(lambda: open_sync(str(params["sync"])))
    if happened.startswith(FALSE_ALARM):
        number = telling(lambda: declare_false_alarm(sync, by=by))
        message = f"{number} incident(s) closed: it is the same Krayin, and its syncs go on."
        raise AirflowSkipException(message)
    plan = telling(
        lambda: plan_recovery(
            sync,
            Happened(happened),
            make_again=bool(params.get("make_again", True)),
            former_address=params.get("former_address"),
        )
    )
    log.info("%s\n\n%s", plan.subject, plan.body)
    return {"recovery": plan.recovery_id, "subject": plan.subject, "body": plan.body}


def _user(context: Mapping[str, Any]) -> str:
    dag_run = context["dag_run"]
    return str(getattr(dag_run, "triggering_user_name", None) or f"DAG run {dag_run.run_id}")


def _confirm_chatwoot(name: str, by: str) -> int:
    """Close what Chatwoot's looks opened for a sync and a person may explain; return how many that were."""
    with connect(sync_dsn()) as connection:
        doubted = [one for one in open_incidents(connection, sync_name=name) if one.kind in {OTHER, FEWER}]
        for incident in doubted:
            confirm_source(connection, incident, by=by)
    return len(doubted)


def carry_out(plan: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Carry out a recovery or leave everything as it is; `given` is what the operator returned."""
    by = given.get("responded_by_user") or {}
    approved = given["chosen_options"] == [APPROVE]
    telling(
        lambda: answer_recovery(
            sync_dsn(),
            int(plan["recovery"]),
            approved=approved,
            decided_by=str(by.get("name") or by.get("id") or "unknown"),
        )
    )
    if approved:
        log.info("The links are corrected. The next run of each sync makes again what is gone.")
    else:
        log.info("Declined: nothing was changed, and the syncs stay stopped. Start this again to go on.")
