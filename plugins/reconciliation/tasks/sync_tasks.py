"""What the tasks that plan and load do: a run of the schedule, of a backfill, of webhooks."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from reconciliation.approval.held_asset import tell
from reconciliation.approval.question import is_to_be_asked
from reconciliation.run.metrics import measure_run
from reconciliation.run.summary import lines_of, numbers_of
from reconciliation.run.synced_asset import tell_synced
from reconciliation.settings.airflow_connections import sync_dsn
from reconciliation.settings.sync_files import sync_named
from reconciliation.sync_database.connection import connect
from reconciliation.sync_database.run_rows import read_run
from reconciliation.tasks.form import backfill_of, request_of
from reconciliation.tasks.opening import open_sync
from reconciliation.tasks.telling import log_lines, telling
from reconciliation.webhook.events import act_on_events

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

# Beyond the time for an answer: until then the DAG run that asks may still be at its end.
WINDING_UP = timedelta(hours=1)


def plan(name: str, context: Mapping[str, Any]) -> int:
    """Extract and plan the run of `context` and return its id in `sync_run`."""
    run_id = telling(lambda: open_sync(name).plan(request_of(context)))
    tell_of_held(name, context)
    return run_id


def load(
    name: str, run_id: int, *, seconds: float | None, context: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Carry out what is planned for a sync, write the summary to the log and return its numbers.

    With the `context` of a task that has the outlet for it, the end is told as an event of the sync's asset.
    """
    sync = telling(lambda: open_sync(name))
    try:
        run = telling(lambda: sync.load(run_id, seconds=seconds))
    except Exception:
        with connect(sync.sync_dsn) as connection:
            log_lines(lines_of(read_run(connection, run_id)))
        raise
    log_lines(lines_of(run))
    measure_run(run)
    if context is not None and not run.dry_run:
        tell_synced(context, name, numbers_of(run))
    return numbers_of(run)


def help_load(name: str, run_id: int, number: int, *, seconds: float | None) -> dict[str, Any]:
    """Carry out what is planned for a sync beside the run's first loader; return this loader's share."""
    loaded = telling(lambda: open_sync(name).help_load(run_id, seconds=seconds)).to_json()
    share = {name: loaded[name] for name in ("created", "updated", "adopted", "operations")}
    log.info("Loader %d of run %d: %s", number, run_id, share)
    return share


def backfill(name: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """Plan and load the day or the window of a backfill and return its numbers.

    Raises:
        AirflowSkipException: the run is one of the schedule that only lends its days to backfills.
    """
    request = backfill_of(context)
    if request is None:
        problem = "runs of this schedule do nothing: start an Airflow backfill, or a run by hand"
        raise AirflowSkipException(problem)
    run_id = telling(lambda: open_sync(name).plan(request))
    tell_of_held(name, context)
    return load(name, run_id, seconds=None, context=context)


def events(name: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """Plan and load what the waiting webhooks name; return the last round's numbers, none without any."""
    runs = telling(lambda: act_on_events(open_sync(name), context["dag_run"].run_id))
    tell_of_held(name, context)
    if not runs:
        log.info("No webhook waits.")
        return {}
    for run in runs:
        log_lines(lines_of(run))
        measure_run(run)
    tell_synced(context, name, numbers_of(runs[-1]))
    return numbers_of(runs[-1])


def tell_of_held(name: str, context: Mapping[str, Any]) -> None:
    """Start the approval DAG with the success of this task if a plan is held that nobody is asked about."""
    patience = timedelta(days=sync_named(name).max_changes_without_approval.days_to_answer) + WINDING_UP
    with telling(lambda: connect(sync_dsn())) as connection:
        if is_to_be_asked(connection, name, patience):
            tell(context, name)
