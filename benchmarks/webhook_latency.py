"""From the POST of a webhook to the person in Krayin showing the change, on the stack of `make up`.

python benchmarks/webhook_latency.py [--times 100] [--contacts 120] [--pause 0.5]

A signed contact_updated is sent to the receiver in Airflow's API server after the contact was changed in
Chatwoot's database; the next one when that one has arrived and
Airflow is idle again. The parts, in seconds:
receive  the POST is answered, the event committed
run      until Airflow has queued the DAG run
start    until the task has begun
plan     until the change is planned
call     until Krayin has accepted the last call
total    from the POST to that
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
from rich.console import Console
from rich.table import Table

from sandbox.chatwoot import changes, webhooks
from stack.testing import RunningStack, running_stack

ROOT = Path(__file__).resolve().parents[1]
SYNC = "sandbox"
SECRET = "benchmark-secret-1234567"
PARTS = ("receive", "run", "start", "plan", "call", "total")
ARRIVED = """
SELECT event.received_at, event.processed_at, run.dag_run_id,
       (SELECT max(call.at + call.milliseconds * interval '1 millisecond') FROM krayin_sync.api_call AS call
        WHERE call.run_id = run.id AND call.method <> 'GET' AND call.status < 300)
FROM krayin_sync.inbox_event AS event JOIN krayin_sync.sync_run AS run ON run.id = event.run_id
WHERE event.delivery_id = %s AND run.state = 'done'
"""


def tell_secret(stack: RunningStack) -> None:
    """Enter the secret as an Airflow connection, as somebody without an API token does."""
    stack.api.write_connections(
        [{"connection_id": f"chatwoot_webhook_{SYNC}", "conn_type": "generic", "password": SECRET}]
    )


def once(
    stack: RunningStack, client: httpx.Client, sync_db: psycopg.Connection, contact_id: int, name: str
) -> dict[str, float]:
    with psycopg.connect(stack.chatwoot_dsn, autocommit=True) as chatwoot:
        changes.update_contact(chatwoot, contact_id, name=name)
    body = webhooks.encode(webhooks.contact_updated(contact_id, name=name))
    headers = webhooks.headers(SECRET, body)
    sent = datetime.now(UTC)
    answer = client.post(f"{stack.url}/chatwoot/webhooks/{SYNC}", content=body, headers=headers)
    answered = datetime.now(UTC)
    assert answer.json() == {"status": "accepted"}, answer.text
    deadline = time.monotonic() + 60
    while (
        row := sync_db.execute(ARRIVED, (headers["X-Chatwoot-Delivery"],)).fetchone()
    ) is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert row is not None, "the change did not arrive"
    _, planned, dag_run_id, accepted = row
    path = f"/api/v2/dags/{SYNC}__events/dagRuns/{dag_run_id}"
    run = stack.api._call("GET", path)  # noqa: SLF001
    (task,) = stack.api._call("GET", f"{path}/taskInstances")["task_instances"]  # noqa: SLF001
    queued, started = (datetime.fromisoformat(text) for text in (run["queued_at"], task["start_date"]))
    moments = (sent, answered, queued, started, planned, accepted)
    parts = {
        part: (later - earlier).total_seconds()
        for part, earlier, later in zip(PARTS, moments, moments[1:], strict=False)
    }
    return {**parts, "total": (accepted - sent).total_seconds()}


def measure(stack: RunningStack, times: int, pause: float) -> list[dict[str, float]]:
    tell_secret(stack)
    with psycopg.connect(stack.sync_dsn, autocommit=True) as sync_db, httpx.Client(timeout=5) as client:
        contacts = [
            int(row[0])
            for row in sync_db.execute(
                "SELECT source_id FROM krayin_sync.mapping WHERE crm_kind = 'person' AND state = 'linked'"
                " AND source_kind = 'contact' ORDER BY source_id::bigint"
            ).fetchall()
        ]
        found = []
        expected = {}
        for number in range(times + 1):
            contact_id, name = contacts[number % len(contacts)], f"Renamed {number} {time.time():.0f}"
            parts = once(stack, client, sync_db, contact_id, name)
            expected[contact_id] = name
            if number:  # the first one finds cold caches, as after a restart
                found.append(parts)
            # Idle again, and out of step with the loops of Airflow that wake every second.
            while stack.api.active_runs(f"{SYNC}__events"):
                time.sleep(0.2)
            time.sleep(pause * random.uniform(0.5, 1.5))
        check(stack, sync_db, expected)
    return found


def check(stack: RunningStack, sync_db: psycopg.Connection, expected: dict[int, str]) -> None:
    """See in Krayin itself that each person shows its last name."""
    answer = httpx.get(
        f"{stack.krayin_url}/api/v1/contacts/persons?pagination=0",
        headers={"Authorization": f"Bearer {stack.krayin_token}", "Accept": "application/json"},
        timeout=60,
    )
    names = {person["id"]: person["name"] for person in answer.json()["data"]}
    for contact_id, name in expected.items():
        row = sync_db.execute(
            "SELECT crm_id FROM krayin_sync.mapping WHERE crm_kind = 'person' AND source_kind = 'contact'"
            " AND source_id = %s",
            (str(contact_id),),
        ).fetchone()
        assert row, contact_id
        assert names[int(row[0])] == name, (contact_id, names[int(row[0])], name)


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, round(share * (len(values) - 1)))]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--contacts", type=int, default=120)
    parser.add_argument("--pause", type=float, default=0.5)
    given = parser.parse_args()
    loads = [os.getloadavg()[0]]
    with (
        tempfile.TemporaryDirectory() as folder,
        running_stack(
            Path(folder) / "stack",
            sandbox_contacts=given.contacts,
            sandbox_conversations=10,
            sandbox_messages=20,
            airflow_parallelism=3,
        ) as stack,
    ):
        found = measure(stack, given.times, given.pause)
    loads.append(os.getloadavg()[0])
    report(found, loads)


def report(found: list[dict[str, float]], loads: list[float]) -> None:
    table = Table(title=f"{len(found)} webhooks, load average {loads[0]:.1f} to {loads[-1]:.1f}, seconds")
    for column in ("", "p50", "p95", "mean"):
        table.add_column(column, justify="right" if column else "left")
    result: dict[str, Any] = {"times": len(found), "load": loads, "cpus": os.cpu_count()}
    for part in PARTS:
        values = [one[part] for one in found]
        result[part] = {
            "p50": round(percentile(values, 0.5), 3),
            "p95": round(percentile(values, 0.95), 3),
            "mean": round(statistics.fmean(values), 3),
        }
        table.add_row(part, *(f"{number:.3f}" for number in result[part].values()))
    Console().print(table)
    (ROOT / "benchmarks" / "results" / "webhook_latency.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
