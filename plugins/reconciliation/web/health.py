"""Says in words whether a sync is healthy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from croniter import croniter  # type: ignore[import-untyped,unused-ignore]

from reconciliation.model.duration import duration
from reconciliation.model.templates import moment, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciliation.web.facts import SyncFacts

# A run may take its time, and Airflow may start it late.
PATIENCE = timedelta(minutes=15)
WEBHOOK_PATIENCE = timedelta(minutes=6)
BRINGING = ("scheduled", "manual", "events")
ENDED_BADLY = {"failed": "failed", "stopped": "stopped early"}


class Level(StrEnum):
    """How much attention is needed; the value is the class of the words on the page."""

    GOOD = "good"
    QUIET = "muted"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Health:
    """The verdict in one or two words, and what speaks against "healthy", the worst first."""

    level: Level
    verdict: str
    reasons: tuple[str, ...] = ()


def health_of(
    facts: SyncFacts,
    now: datetime,
    *,
    schedule: str | None,
    enabled: bool = True,
    paused: bool = False,
) -> Health:
    """Return how a sync is.

    Args:
        facts: what the sync database knows of it.
        now: aware.
        schedule: the cron expression or preset of its DAG, UTC, None for manual runs only.
        enabled: whether its file switches it on.
        paused: whether its DAG is paused in Airflow.
    """
    if not enabled:
        return Health(Level.QUIET, "Switched off", ("Its file says enabled: false.",))
    bad = (*_incidents(facts), *_failures(facts))
    if facts.done_at is None and not bad:
        reason = (
            "Its DAG is paused. Unpause it, and it starts on its schedule."
            if paused
            else "No run has ended yet."
        )
        return Health(Level.QUIET, "Not started", (reason,))
    late = tuple(_lateness(facts, now, schedule, paused=paused))
    attention = tuple(_attention(facts))
    if bad:
        verdict = "An incident is open" if facts.incidents else "Failing"
        return Health(Level.BAD, verdict, bad + late + attention)
    if late:
        return Health(Level.WARN, "Behind", late + attention)
    if attention:
        return Health(Level.WARN, "Works, needs you", attention)
    return Health(Level.GOOD, "Healthy")


def _incidents(facts: SyncFacts) -> Iterator[str]:
    for row in facts.incidents:
        yield f"Incident {row['incident_id']} is on top of this page, since {moment(row['opened_at'])}."


def _failures(facts: SyncFacts) -> Iterator[str]:
    last = max((facts.last_runs[kind] for kind in BRINGING if kind in facts.last_runs), key=_id, default=None)
    if last is not None and last["state"] in ENDED_BADLY:
        yield _told(last)


def _lateness(facts: SyncFacts, now: datetime, schedule: str | None, *, paused: bool) -> Iterator[str]:
    if paused:
        yield "Its DAG is paused in Airflow."
    elif schedule is not None and facts.done_at is not None:
        # The tick before the last should be long over.
        ticks = croniter(schedule, now)
        ticks.get_prev(datetime)
        due: datetime = ticks.get_prev(datetime)
        if facts.done_at < due - PATIENCE:
            yield f"The last run ended {moment(facts.done_at)}, though its schedule is {schedule}."
    if facts.inbox is not None and now - facts.inbox["oldest"] > WEBHOOK_PATIENCE:
        waiting = plural(facts.inbox["events"], "webhook waits", "webhooks wait")
        yield f"{waiting} since {moment(facts.inbox['oldest'])}: does the events DAG run?"
    for row in facts.budgets:
        if row["blocked_until"] is not None:
            yield f"Krayin refused a call: all calls wait for {duration(row['blocked_until'] - now)}."


def _attention(facts: SyncFacts) -> Iterator[str]:
    if facts.awaiting_approval:
        yield f"{plural(facts.awaiting_approval, 'change waits', 'changes wait')} for approval."
    if facts.quarantined:
        yield f"{plural(facts.quarantined, 'record needs', 'records need')} a person's decision."
    if facts.removals is not None and facts.removals["closed"]:
        closed = plural(facts.removals["closed"], "lead was", "leads were")
        yield f"{closed} closed by this sync, but the contact is in Chatwoot again: to be reopened."
    if facts.removals is not None and facts.removals["deleted"]:
        deleted = plural(facts.removals["deleted"], "record was", "records were")
        yield f"{deleted} deleted by this sync, but the contact is back: made again after approval."
    for kind, name in (("reconcile", "comparison"), ("backfill", "backfill run")):
        last = facts.last_runs.get(kind)
        if last is not None and last["state"] in ENDED_BADLY:
            yield f"The last {name} {_told(last).removeprefix('The last run ')}"


def _told(run: dict[str, Any]) -> str:
    said = (run["message"] or "its task's log says why").strip().rstrip(".")
    when = (run["finished_at"] or run["started_at"]).astimezone(UTC)
    return f"The last run {ENDED_BADLY[run['state']]}, {moment(when)}: {said}."


def _id(run: dict[str, Any]) -> int:
    return int(run["run_id"])
