"""What the tasks of the approval DAG do."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from reconciliation.approval.question import APPROVE, answer, ask, leave_unanswered
from reconciliation.settings.airflow_connections import sync_dsn
from reconciliation.sync_database.connection import connect
from reconciliation.sync_database.run_rows import RunKind, open_run
from reconciliation.tasks.sync_tasks import load, tell_of_held
from reconciliation.tasks.telling import telling

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)


def question_of(name: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a person is asked: `approval` (its id), `subject` and `body`; skip when nothing is held."""
    with telling(lambda: connect(sync_dsn())) as connection:
        question = ask(connection, name, context["dag_run"].run_id)
    if question is None:
        message = "Nothing is held any more."
        raise AirflowSkipException(message)
    log.info("%s\n\n%s", question.subject, question.body)
    return {"approval": question.approval_id, "subject": question.subject, "body": question.body}


def carry_out(name: str, question: Mapping[str, Any], given: Mapping[str, Any], context: Any) -> None:
    """Plan or decline what the question was about; `given` is what the operator returned."""
    by = given.get("responded_by_user") or {}
    with telling(lambda: connect(sync_dsn())) as connection:
        answer(
            connection,
            int(question["approval"]),
            approved=given["chosen_options"] == [APPROVE],
            decided_by=str(by.get("name") or by.get("id") or "unknown"),
        )
    tell_of_held(name, context)


def load_planned(name: str, context: Mapping[str, Any], *, seconds: float | None) -> dict[str, Any]:
    """Carry out what is planned for a sync now, in a run of its own, and return its numbers."""
    with telling(lambda: connect(sync_dsn())) as connection:
        run_id = open_run(
            connection, name, RunKind.MANUAL, dag_run_id=context["dag_run"].run_id, dry_run=False
        )
    return load(name, run_id, seconds=seconds)


def keep_held(name: str, question: Mapping[str, Any]) -> None:
    """Note that nobody answered: the plan stays held, and says so."""
    with telling(lambda: connect(sync_dsn())) as connection:
        leave_unanswered(connection, int(question["approval"]))
    log.warning(
        "Nobody answered about approval %s of %s: its plan stays held. It is asked about again when more is "
        "held, or when %s__approval is started by hand.",
        question["approval"],
        name,
        name,
    )
