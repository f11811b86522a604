"""What the tasks of a sync's own DAGs do: syncing, webhooks, backfills, comparing, reporting, approval."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

# As a class, which Airflow 3.2 has too.
from airflow.sdk.observability.stats import Stats

from reconciliation.admin.alerts import report_ways
from reconciliation.admin.approval import APPROVE, answer, ask, is_to_be_asked, leave_unanswered
from reconciliation.airflow.connections import open_sync, sync_dsn
from reconciliation.airflow.dag_defaults import emit_held, emit_synced
from reconciliation.airflow.params import backfill_request, reconcile_request, run_request
from reconciliation.airflow.task_errors import log_lines, task_errors
from reconciliation.run.events import LISTEN_SECONDS, act_on_events
from reconciliation.run.summary import lines_of, numbers_of
from reconciliation.settings.sync_files import sync_named
from reconciliation.store.connection import connect, working
from reconciliation.store.run_rows import ACTIONS, RunKind, open_run, read_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciliation.store.run_rows import Run

# Keys of the summary, which are also the names after `krayin_sync.`.
COUNTERS = ("read", "unchanged", "calls", "writes", "refused", "quarantined", "failed")
GAUGES = ("waiting", "held")

log = logging.getLogger(__name__)
# Beyond the time for an answer: until then the DAG run that asks may still be at its end.
WINDING_UP = timedelta(hours=1)


def measure_run(run: Run) -> None:
    """Report a run that has ended, tagged with its sync, kind and whether it was dry.

    Counters `krayin_sync.runs` and those of COUNTERS, gauges of GAUGES, and the timer
    `krayin_sync.run_duration` from the run's start to its end. Nothing happens while Airflow's metrics
    are switched off.
    """
    tags = {"sync": run.sync_name, "kind": str(run.kind), "dry_run": str(run.dry_run).lower()}
    Stats.incr("krayin_sync.runs", tags={**tags, "state": str(run.state)})
    for name in COUNTERS:
        number = int(run.summary.get(name) or 0)
        if number:
            Stats.incr(f"krayin_sync.{name}", number, tags=tags)
    for name in GAUGES:
        Stats.gauge(f"krayin_sync.{name}", int(run.summary.get(name) or 0), tags={"sync": run.sync_name})
    if run.finished_at is not None:
        Stats.timing("krayin_sync.run_duration", run.finished_at - run.started_at, tags=tags)


@task_errors()
def plan(name: str, context: Mapping[str, Any]) -> int:
    """Extract and plan the run of `context` and return its id in `sync_run`."""
    run_id = open_sync(name).plan(run_request(context))
    _ask_about_held(name, context)
    return run_id


@task_errors()
def load(
    name: str, run_id: int, *, seconds: float | None, context: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Carry out what is planned for a sync, write the summary to the log and return its numbers.

    With the `context` of a task that has the outlet for it, the end is an event of the sync's asset.
    """
    sync = open_sync(name)
    try:
        run = sync.load(run_id, seconds=seconds)
    except Exception:
        with connect(sync.sync_dsn) as connection:
            log_lines(lines_of(read_run(connection, run_id)))
        raise
    log_lines(lines_of(run))
    measure_run(run)
    if context is not None and not run.dry_run:
        emit_synced(context, name, numbers_of(run))
    return numbers_of(run)


@task_errors()
def help_load(name: str, run_id: int, number: int, *, seconds: float | None) -> dict[str, Any]:
    """Carry out what is planned for a sync beside the run's first loader; return this loader's share."""
    loaded = open_sync(name).help_load(run_id, seconds=seconds).to_json()
    share = {name: loaded[name] for name in (*ACTIONS, "operations")}
    log.info("Loader %d of run %d: %s", number, run_id, share)
    return share


@task_errors()
def backfill(name: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """Plan and load the day or the window of a backfill and return its numbers.

    Raises:
        AirflowSkipException: the run is one of the schedule that only lends its days to backfills.
    """
    request = backfill_request(context)
    if request is None:
        problem = "runs of this schedule do nothing: start an Airflow backfill, or a run by hand"
        raise AirflowSkipException(problem)
    run_id = open_sync(name).plan(request)
    _ask_about_held(name, context)
    return load(name, run_id, seconds=None, context=context)


@task_errors()
def events(name: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """Plan and load what the waiting webhooks name; return the last round's numbers, none without any."""
    runs = act_on_events(open_sync(name), context["dag_run"].run_id, listen=LISTEN_SECONDS)
    _ask_about_held(name, context)
    if not runs:
        log.info("No webhook is waiting.")
        return {}
    for run in runs:
        log_lines(lines_of(run))
        measure_run(run)
    emit_synced(context, name, numbers_of(runs[-1]))
    return numbers_of(runs[-1])


@task_errors()
def compare(name: str, context: Mapping[str, Any]) -> int:
    """Compare, keep what differs and plan its repair; return the run's id in `sync_run`."""
    from reconciliation.drift import run as drift  # noqa: PLC0415 - the hot path does without

    run_id = drift.compare(open_sync(name), reconcile_request(context))
    _ask_about_held(name, context)
    return run_id


@task_errors()
def repair(name: str, run_id: int, *, seconds: float | None) -> dict[str, Any]:
    """Carry out the repairs, write to the log what was found and what became of it; return the numbers."""
    from reconciliation.drift import run as drift  # noqa: PLC0415 - see above
    from reconciliation.drift import summary  # noqa: PLC0415 - see above

    run = drift.repair(open_sync(name), run_id, seconds=seconds)
    log_lines(summary.lines_of(run))
    return summary.numbers_of(run)


@task_errors()
def report(name: str, run_id: int) -> dict[str, Any]:
    """Make the report of a sync's run, log where it is, and return its address and numbers.

    Where the sync file names a path it is written there too, after those that could not be written before.

    Raises:
        ReportNotWrittenError: that failed; nothing is lost.
    """
    from reconciliation.airflow.report_files import write_reports  # noqa: PLC0415 - see below
    from reconciliation.airflow.web import report_address  # noqa: PLC0415 - the API server's imports
    from reconciliation.web.run_report import make_report  # noqa: PLC0415 - plots take seconds

    settings = sync_named(name)
    with working(sync_dsn()) as connection:
        url, ways = settings.chatwoot.url, report_ways(settings)
        made = make_report(connection, run_id, chatwoot_url=url, due=ways)
        address = report_address(run_id)
        log.info("Report with %d findings, %d kB stored: %s", made.findings, made.kept_bytes // 1024, address)
        write_reports(connection, settings)
    return {"report": address, "run": run_id, "findings": made.findings, "files": list(made.files)}


@task_errors()
def question_of(name: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a person is asked: `approval` (its id), `subject` and `body`; skip when nothing is held."""
    with connect(sync_dsn()) as connection:
        question = ask(connection, name, context["dag_run"].run_id)
    if question is None:
        message = "Nothing is held any more."
        raise AirflowSkipException(message)
    log.info("%s\n\n%s", question.subject, question.body)
    return {"approval": question.approval_id, "subject": question.subject, "body": question.body}


@task_errors()
def apply_answer(name: str, question: Mapping[str, Any], given: Mapping[str, Any], context: Any) -> None:
    """Plan or decline what the question was about; `given` is what the operator returned."""
    with connect(sync_dsn()) as connection:
        answer(
            connection,
            int(question["approval"]),
            approved=given["chosen_options"] == [APPROVE],
            decided_by=responder(given),
        )
    _ask_about_held(name, context)


@task_errors()
def load_approved(name: str, context: Mapping[str, Any], *, seconds: float | None) -> dict[str, Any]:
    """Carry out what is planned for a sync now, in a run of its own, and return its numbers."""
    with connect(sync_dsn()) as connection:
        run_id = open_run(
            connection, name, RunKind.MANUAL, dag_run_id=context["dag_run"].run_id, dry_run=False
        )
    return load(name, run_id, seconds=seconds)


@task_errors()
def keep_held(name: str, question: Mapping[str, Any]) -> None:
    """Note that nobody answered: the plan stays held, and says so."""
    with connect(sync_dsn()) as connection:
        leave_unanswered(connection, int(question["approval"]))
    log.warning(
        "Nobody answered approval %s of %s: its plan stays held. You are asked again when more is held, or "
        "when you start %s__approval by hand.",
        question["approval"],
        name,
        name,
    )


def responder(given: Mapping[str, Any]) -> str:
    """Return who answered, from what Airflow's operator for questions returned."""
    user = given.get("responded_by_user") or {}
    return str(user.get("name") or user.get("id") or "unknown")


def _ask_about_held(name: str, context: Mapping[str, Any]) -> None:
    """Start the approval DAG with the success of this task if a plan is held that nobody is asked about."""
    patience = timedelta(days=sync_named(name).max_changes_without_approval.days_to_answer) + WINDING_UP
    with connect(sync_dsn()) as connection:
        if is_to_be_asked(connection, name, patience):
            emit_held(context, name)
