"""What a sync did, as the sync database tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row
from reconciliation.values.duration import duration

if TYPE_CHECKING:
    from collections.abc import Mapping


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
            """
            SELECT count(o.id) FILTER (WHERE NOT o.state = ANY(%s)),
                   count(o.id) FILTER (WHERE o.state = ANY(%s))
            FROM krayin_sync.sync_run AS r
            LEFT JOIN krayin_sync.operation AS o ON o.run_id = r.id
            WHERE r.sync_name = %s AND r.dag_run_id = %s
            GROUP BY r.id
            """,
            (OPEN_STATES, OPEN_STATES, sync_name, run_id),
        ).fetchone()
    return Work(row[0], row[1]) if row else None


def of_run(dsn: str, sync_name: str, run_id: str | None) -> dict[str, Any] | None:
    """Return the `sync_run` row of a DAG run, else of the run that works, else of the last sync.

    A run that neither began nor called Krayin within the hour, or that another of its kind followed, works
    no more. None where there is no such row.
    """
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        return connection.execute(
            """
            SELECT id AS run_id, sync_name, dag_run_id, kind, dry_run, state, started_at, finished_at,
                   summary, message
            FROM krayin_sync.sync_run AS run
            WHERE sync_name = %(sync)s
              AND CASE WHEN %(run)s::text IS NOT NULL THEN dag_run_id = %(run)s
                       WHEN finished_at IS NOT NULL
                       THEN kind IN ('manual', 'scheduled') OR kind = 'backfill' AND dry_run
                       ELSE kind NOT IN ('setup', 'events')
                            AND NOT EXISTS (
                                SELECT FROM krayin_sync.sync_run AS later
                                WHERE later.sync_name = run.sync_name AND later.kind = run.kind
                                  AND later.id > run.id)
                            AND (started_at > now() - interval '1 hour'
                                 OR EXISTS (
                                     SELECT FROM krayin_sync.api_call AS call
                                     WHERE call.run_id = run.id AND call.at > now() - interval '1 hour')) END
            ORDER BY finished_at IS NULL DESC, id DESC LIMIT 1
            """,
            {"sync": sync_name, "run": run_id},
        ).fetchone()


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
