"""What the syncs did, as the sync database tells it: the last lines of `up` and `status`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from reconciliation.run.summary import lines_of
from reconciliation.store.incidents import open_incidents
from reconciliation.store.run_rows import read_run
from statements import statement

from stack import airflow, syncs
from stack.instance import SYNC_DATABASE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciliation.store.run_rows import Run

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


def shown_runs(dsn: str, sync_name: str) -> list[Run]:
    """Return the last sync that has ended and the run that works, as far as there are such."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(statement("sync_run/shown"), {"sync": sync_name}).fetchall()
        return [read_run(connection, run_id) for (run_id,) in rows]


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
        runs = [run for name in names for run in shown_runs(dsn, name)]
    except psycopg.Error as error:
        progress.warn(f"Could not read from the sync database what the syncs did: {error}")
        return
    for one in incidents:
        progress.warn(f"Incident {one.id} ({one.sync_name or 'all syncs to this Krayin'}): {one.sentence}")
    for run in runs:
        for line in lines_of(run):
            progress.say(line)
