from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from reconciliation.web.facts import SyncFacts
from reconciliation.web.health import Level, health_of

NOW = datetime(2026, 11, 22, 12, 3, tzinfo=UTC)
EVERY_TEN_MINUTES = "*/10 * * * *"


def run(number: int = 1, state: str = "done", message: str | None = None, **columns: Any) -> dict[str, Any]:
    return {
        "run_id": number,
        "state": state,
        "message": message,
        "started_at": NOW - timedelta(minutes=4),
        "finished_at": NOW - timedelta(minutes=3),
        **columns,
    }


def error(operations: int, *, quarantined: bool) -> dict[str, Any]:
    return {"operations": operations, "quarantined": quarantined, "given_up": quarantined}


def facts(**known: Any) -> SyncFacts:
    return SyncFacts(**{"done_at": NOW - timedelta(minutes=3), "last_runs": {"scheduled": run()}, **known})


def test_healthy_has_nothing_against_it():
    health = health_of(facts(), NOW, schedule=EVERY_TEN_MINUTES)
    assert (health.level, health.verdict, health.reasons) == (Level.GOOD, "Healthy", ())


def test_a_sync_that_is_switched_off_or_new_alarms_nobody():
    off = health_of(facts(), NOW, schedule=EVERY_TEN_MINUTES, enabled=False)
    new = health_of(SyncFacts(), NOW, schedule=EVERY_TEN_MINUTES)
    resting = health_of(SyncFacts(), NOW, schedule=EVERY_TEN_MINUTES, paused=True)
    assert [one.level for one in (off, new, resting)] == [Level.QUIET] * 3
    assert [one.verdict for one in (off, new, resting)] == ["Switched off", "Not started", "Not started"]
    assert "Unpause" in resting.reasons[0]


def test_an_open_incident_goes_before_everything_else():
    incident = {"incident_id": 3, "opened_at": NOW - timedelta(hours=1), "sentence": "Rows are hidden."}
    known = facts(incidents=[incident], last_runs={"scheduled": run(2, "failed", "Rows are hidden")})
    health = health_of(known, NOW, schedule=EVERY_TEN_MINUTES)
    assert (health.level, health.verdict) == (Level.BAD, "An incident is open")
    assert health.reasons[0].startswith("Incident 3 is on top of this page, since 2026-11-22 11:03")


@pytest.mark.parametrize("state", ["failed", "stopped"])
def test_a_failed_last_run_tells_why(state):
    known = facts(last_runs={"scheduled": run(2, state, "Krayin does not accept the token.")})
    health = health_of(known, NOW, schedule=EVERY_TEN_MINUTES)
    assert (health.level, health.verdict) == (Level.BAD, "Failing")
    assert health.reasons[0].endswith("2026-11-22 12:00 UTC: Krayin does not accept the token.")


def test_a_first_run_that_failed_is_no_news_to_wait_for():
    known = SyncFacts(last_runs={"manual": run(1, "failed", "no")})
    assert health_of(known, NOW, schedule=None).level is Level.BAD


def test_a_failure_that_a_later_run_made_good_is_forgotten():
    known = facts(last_runs={"events": run(2, "failed", "no"), "scheduled": run(3)})
    assert health_of(known, NOW, schedule=EVERY_TEN_MINUTES).level is Level.GOOD


@pytest.mark.parametrize(
    ("minutes", "schedule", "level"),
    [
        (25, EVERY_TEN_MINUTES, Level.GOOD),
        (45, EVERY_TEN_MINUTES, Level.WARN),
        (45, "@hourly", Level.GOOD),
        (60 * 30, "@daily", Level.GOOD),
        (60 * 60, "@daily", Level.WARN),
        (60 * 24 * 365, None, Level.GOOD),
    ],
)
def test_late_is_what_missed_two_turns_of_its_own_schedule(minutes, schedule, level):
    known = facts(done_at=NOW - timedelta(minutes=minutes))
    assert health_of(known, NOW, schedule=schedule).level is level


def test_a_paused_dag_is_named_in_place_of_its_schedule():
    known = facts(done_at=NOW - timedelta(days=9))
    health = health_of(known, NOW, schedule=EVERY_TEN_MINUTES, paused=True)
    assert (health.level, health.reasons) == (Level.WARN, ("Its DAG is paused in Airflow.",))


def test_webhooks_that_wait_and_a_blocked_budget_make_it_late():
    known = facts(
        inbox={"events": 3, "oldest": NOW - timedelta(minutes=7)},
        budgets=[{"blocked_until": NOW + timedelta(seconds=30), "allowed_per_minute": 60}],
    )
    health = health_of(known, NOW, schedule=EVERY_TEN_MINUTES)
    assert health.verdict == "Behind"
    assert [reason.split(":")[0] for reason in health.reasons] == [
        "3 webhooks wait since 2026-11-22 11",
        "Krayin refused a call",
    ]
    fresh = facts(inbox={"events": 3, "oldest": NOW - timedelta(minutes=2)})
    assert health_of(fresh, NOW, schedule=EVERY_TEN_MINUTES).level is Level.GOOD


def test_what_needs_a_person_is_said_though_it_works():
    known = facts(
        errors=[error(2, quarantined=True), error(5, quarantined=False)],
        approvals=[{"operations": 1}],
        last_runs={
            "scheduled": run(4),
            "reconcile": run(3, "failed", "no"),
            "backfill": run(2, "stopped", "x"),
        },
    )
    health = health_of(known, NOW, schedule=EVERY_TEN_MINUTES)
    assert (health.level, health.verdict) == (Level.WARN, "Works, needs you")
    assert [reason[:24] for reason in health.reasons] == [
        "1 change waits for appro",
        "2 records need a person'",
        "The last comparison fail",
        "The last backfill run st",
    ]


def test_how_long_the_budget_takes_for_what_waits():
    waiting = [{"operations": 4, "forecast_calls": 6}, {"operations": 1, "forecast_calls": 3}]
    known = facts(backlog=waiting, budgets=[{"allowed_per_minute": 60}])
    assert (known.waiting, known.waiting_seconds) == (5, 9.0)
    assert facts(backlog=waiting).waiting_seconds is None
