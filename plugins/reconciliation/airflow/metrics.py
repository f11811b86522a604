"""The numbers of runs as metrics, through Airflow's own StatsD or OpenTelemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING

# As a class, which Airflow 3.2 has too.
from airflow.sdk.observability.stats import Stats

if TYPE_CHECKING:
    from reconciliation.sync_database.run_rows import Run

# Keys of the summary, which are also the names after `krayin_sync.`.
COUNTERS = ("read", "unchanged", "calls", "writes", "refused", "quarantined", "failed")
GAUGES = ("waiting", "held")


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
