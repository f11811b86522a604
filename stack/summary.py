"""What the syncs did, as the sync database tells it: the last lines of `up` and `status`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row
from reconciliation.sync_database.incidents import open_incidents
from reconciliation.values.duration import duration
from statements import statement

from stack import airflow, syncs
from stack.instance import SYNC_DATABASE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stack.instance import Instance
    from stack.progress import Progress


@dataclass(frozen=True, slots=True)
class Work:
    """Operations of one run: how many are settled, how many are left."""

    settled: int
    left: int

    def __str__(self) -> str:
        """Return it for a progress line."""
        total = self.settled + self.left
        return f"{self.settled} of {total} records" if total else "reading"


OPEN_STATES = ["planned", "in_flight", "unknown"]


def work(dsn: str, sync_name: str, run_id: str) -> Work | None:
    """Return how far the DAG run `run_id` of `sync_name` is; None before it has a row."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            statement("sync_run/progress"), {"open": OPEN_STATES, "sync": sync_name, "run": run_id}
        ).fetchone()
    return Work(*row) if row else None


def of_run(dsn: str, sync_name: str) -> dict[str, Any] | None:
    """Return the `sync_run` row of the run that works, else of the last sync, or None."""
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        return connection.execute(statement("sync_run/shown"), {"sync": sync_name}).fetchone()


WORK = {"backfill": "Backfill of", "reconcile": "Comparison of"}
KINDS = ("person", "lead", "organization", "activity")


def lines(row: Mapping[str, Any]) -> list[str]:
    """Return the summary of a `sync_run` row for people."""
    told = row["summary"]
    if row["dry_run"] and row["finished_at"] is not None:
        return _dry_lines(row["sync_name"], told)
    shown = [f"{WORK.get(row['kind'], 'Sync')} {row['sync_name']}: {_state(row)}"]
    if row["kind"] != "reconcile":
        shown.append(f"  contacts read    {told.get('read', 0)}")
    shown += [f"  {key:<16} {_records(told.get(key))}" for key in ("created", "updated", "adopted")]
    shown += [
        f"  {key:<16} {_reasons(told[key])}" for key in ("skipped", "quarantined", "failed") if told.get(key)
    ]
    calls = f"  calls to Krayin  {told.get('calls', 0)}"
    if told.get("forecast_calls"):
        calls += f" (forecast {told['forecast_calls']})"
    if told.get("elapsed_seconds") is not None:
        calls += f" in {duration(told['elapsed_seconds'])}"
    shown.append(calls)
    if row["message"]:
        shown.append(f"  {row['message']}")
    return shown


def _state(row: Mapping[str, Any]) -> str:
    """Return how far a run is; what is left as it said itself a few seconds ago."""
    told = row["summary"]
    left = told.get("remaining_seconds", told.get("forecast_seconds"))
    if row["finished_at"] is not None or left is None:
        return str(row["state"])
    done, waiting = told.get("done", 0), told.get("waiting", 0)
    progress = f", {Work(done, waiting)}" if waiting else ""
    return f"{row['state']}{progress}, about {duration(left)} left"


def _dry_lines(name: str, told: Mapping[str, Any]) -> list[str]:
    calls, pace = told.get("forecast_calls", 0), told.get("requests_per_minute", 0)
    shown = [f"Dry run of sync {name}: nothing was sent", f"  contacts read    {told.get('read', 0)}"]
    shown += [
        f"  to {action:<13} {count}" for action, count in sorted(told.get("planned", {}).items()) if count
    ]
    shown += [
        f"  {label:<16} {_reasons(told[key])}"
        for label, key in (("skipped", "skipped"), ("quarantined", "planned_quarantine"))
        if told.get(key)
    ]
    shown += [f"  Krayin workflow  {workflow}" for workflow in told.get("mailing_workflows", [])]
    time = duration(told.get("forecast_seconds", 0))
    return [*shown, f"  would take       {calls} calls, {time} at {pace} a minute"]


def _records(value: object) -> str:
    if not isinstance(value, dict):
        return str(value or 0)
    # The database keeps keys in an order of its own.
    named = [
        f"{value[kind]} {kind if value[kind] == 1 else _plural(kind)}" for kind in KINDS if value.get(kind)
    ]
    return ", ".join(named) or "0"


def _plural(kind: str) -> str:
    return f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"


def _reasons(value: object) -> str:
    if not isinstance(value, dict):
        return str(value)
    return ", ".join(f"{count} {reason}" for reason, count in sorted(value.items()) if count) or "0"


def print_summary(instance: Instance, progress: Progress) -> None:
    """Print what each sync did last, the addresses with their passwords, and the next commands."""
    settings = instance.settings
    begun = instance.state().get("first_syncs", {})
    names = syncs.read(syncs.folder(settings)).first
    _print_runs(instance.dsn(SYNC_DATABASE), names, progress)
    if waiting := [name for name in names if name not in begun]:
        dags = ", ".join(syncs.sync_dag(name) for name in waiting)
        progress.say(f"To start: make up FIRST_SYNC=load, or unpause {dags} in Airflow and run make up again")
    progress.say("")
    progress.say(f"Airflow          {settings.airflow_base_url or instance.url}")
    progress.say(f"  user {airflow.USER}, password {instance.keys.admin}")
    if settings.real is None:
        progress.say(f"Krayin (sandbox) {instance.krayin_url}")
        progress.say(f"  token {instance.keys.sandbox_token}")
    else:
        progress.say(f"Krayin           {instance.krayin_url}")
    progress.say(f"Sync files       {syncs.folder(settings)}")
    progress.say("Stop it with: make down     Logs: make logs     State: make status")


def _print_runs(dsn: str, names: Iterable[str], progress: Progress) -> None:
    try:
        with psycopg.connect(dsn) as connection:
            incidents = open_incidents(connection)
        rows = [row for name in names if (row := of_run(dsn, name))]
    except psycopg.Error as error:
        progress.warn(f"Could not read from the sync database what the syncs did: {error}")
        return
    for one in incidents:
        progress.warn(f"Incident {one.id} ({one.sync_name or 'all syncs to this Krayin'}): {one.sentence}")
    for row in rows:
        for line in lines(row):
            progress.say(line)
