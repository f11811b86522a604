"""An Airflow backfill on the stack of `make up`, cancelled twice and resumed; thirty days with SOAK=1."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest

from sandbox.chatwoot import changes
from tests.running_stack import RunningStack, running_stack
from tests.soak import SOAK

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1500)]

SYNC = "history"
DAG = f"{SYNC}__backfill"
# Only the backfill may bring history over here, so nothing else runs by the clock.
SETTINGS = f"""\
name: {SYNC}
schedule: null
reconcile: {{schedule: null}}
chatwoot: {{account_id: 1}}
"""
DAYS = 30 if SOAK else 10
A_DAY = 3
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    syncs = tmp_path_factory.mktemp("syncs")
    (syncs / f"{SYNC}.yaml").write_text(SETTINGS)
    with running_stack(
        tmp_path_factory.mktemp("backfill"),
        krayin_sync_syncs=syncs,
        # Served under a path, as behind a reverse proxy: tasks, triggers and the API find each other all the same.
        airflow_base_url="https://tools.example.com/airflow",
        sandbox_contacts=2,
        sandbox_conversations=0,
        sandbox_messages=0,
        airflow_parallelism=2,
    ) as running:
        with psycopg.connect(running.chatwoot_dsn, autocommit=True) as connection:
            for number in range(DAYS * A_DAY):
                born = FIRST + timedelta(days=number // A_DAY, hours=number % A_DAY)
                changes.add_contact(
                    connection,
                    1,
                    name=f"Old {number}",
                    email=f"old{number}@example.com",
                    created_at=born,
                    updated_at=born,
                )
        yield running


def start(stack: RunningStack, reprocess: str) -> int:
    body = {
        "dag_id": DAG,
        "from_date": FIRST.isoformat(),
        "to_date": (FIRST + timedelta(days=DAYS - 1)).isoformat(),
        "reprocess_behavior": reprocess,
        # So that there are days left to cancel.
        "max_active_runs": 2,
    }
    return int(stack.api._call("POST", "/api/v2/backfills", json=body)["id"])


def finished(stack: RunningStack) -> int:
    """How many days were carried out."""
    query = {"state": "success", "run_type": "backfill", "limit": 1}
    return int(stack.api._call("GET", f"/api/v2/dags/{DAG}/dagRuns", params=query)["total_entries"])


def until_finished(stack: RunningStack, days: int, seconds: float = 900.0) -> None:
    deadline = time.monotonic() + seconds
    while finished(stack) < days:
        assert time.monotonic() < deadline, f"{finished(stack)} of {days} days after {seconds:.0f} s"
        time.sleep(0.5)


def until_idle(stack: RunningStack, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while stack.api.active_runs(DAG):
        assert time.monotonic() < deadline, "runs of a cancelled backfill never ended"
        time.sleep(0.5)


def addresses(stack: RunningStack) -> Counter[str]:
    answer = httpx.get(
        f"{stack.krayin_url}/api/v1/contacts/persons?pagination=0",
        headers={"Authorization": f"Bearer {stack.krayin_token}", "Accept": "application/json"},
        timeout=30,
    )
    people: list[dict[str, Any]] = answer.json()["data"]
    return Counter(
        row["value"] for each in people for row in each["emails"] if row["value"].startswith("old")
    )


def test_days_cancelled_twice_and_resumed_are_brought_over_once(stack: RunningStack) -> None:
    with psycopg.connect(stack.sync_dsn) as connection:
        watermark = connection.execute("SELECT position, moved_at FROM krayin_sync.watermark").fetchall()
    forecast = stack.run(DAG, {"window_start": FIRST.isoformat()})
    with psycopg.connect(stack.sync_dsn) as connection:
        row = connection.execute(
            "SELECT dry_run, (summary ->> 'forecast_load_calls')::int FROM krayin_sync.sync_run WHERE dag_run_id = %s",
            (forecast,),
        ).fetchone()
    assert row == (True, DAYS * A_DAY)
    assert addresses(stack) == Counter()

    for number, reprocess in ((2, "none"), (5, "failed")):
        backfill = start(stack, reprocess)
        until_finished(stack, number)
        stack.api._call("PUT", f"/api/v2/backfills/{backfill}/cancel")
        until_idle(stack)
        assert finished(stack) < DAYS
    start(stack, "failed")
    until_finished(stack, DAYS)

    everyone = addresses(stack)
    assert set(everyone.values()) == {1}
    assert len(everyone) == DAYS * A_DAY
    with psycopg.connect(stack.sync_dsn) as connection:
        assert (
            connection.execute("SELECT position, moved_at FROM krayin_sync.watermark").fetchall() == watermark
        ), "a backfill moved the watermark"
        states = connection.execute("SELECT state, count(*) FROM krayin_sync.operation GROUP BY 1").fetchall()
    assert {state for state, _ in states} == {"done"}
