"""From the POST of a webhook to the person in Krayin showing the change, on the stack of `make up`.

python benchmarks/webhook_latency.py [--times 100] [--contacts 120] [--pause 0.5]
python benchmarks/webhook_latency.py --every 2 [--times 100]
python benchmarks/webhook_latency.py --backfill 5000 [--times 30] [--burst 3]

A signed contact_updated is sent to the receiver in Airflow's API server after the contact was changed in
Chatwoot's database; the next one when that one has arrived and Airflow is idle again, or with `--every` so
many seconds after it, when a run that listens takes it without run and start. With `--backfill`, so
many new contacts are being brought over meanwhile by the backfill DAG at 60 calls a minute, which is all
that Krayin takes; each time a burst of changes is made, and the first of them is measured.

The parts, in seconds:
receive  the POST is answered, the event committed
run      until Airflow has queued the DAG run
start    until the task has begun
plan     until the change is planned
person   until Krayin has accepted the person's new name
lead     until it has accepted the lead's, the last call
shown    from the POST to the person's new name
total    from the POST to the last call
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import re
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks.common.results import keep
from sandbox.chatwoot import changes, webhooks
from stack.syncs import SANDBOX
from tests.running_stack import RunningStack, running_stack

ROOT = Path(__file__).resolve().parents[1]
SYNC = "sandbox"
SECRET = "benchmark-secret-1234567"
PARTS = ("receive", "run", "start", "plan", "person", "lead", "shown", "total")
FULL_PACE = 60
WATCHED = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'krayin_sync_trigger'"
# The calls for the first contact of the event's run: the person's, and the last one.
ARRIVED = """
SELECT event.processed_at, run.dag_run_id,
       (SELECT min(call.at + call.milliseconds * interval '1 millisecond') FROM krayin_sync.api_call AS call
        JOIN krayin_sync.operation AS operation ON operation.id = call.operation_id
        WHERE call.method <> 'GET' AND call.status < 300 AND call.at > event.received_at
          AND operation.source_kind = 'contact' AND operation.source_id = %(contact)s),
       (SELECT max(call.at + call.milliseconds * interval '1 millisecond') FROM krayin_sync.api_call AS call
        JOIN krayin_sync.operation AS operation ON operation.id = call.operation_id
        WHERE call.method <> 'GET' AND call.status < 300 AND call.at > event.received_at
          AND operation.source_kind = 'contact' AND operation.source_id = %(contact)s),
       EXISTS (SELECT 1 FROM krayin_sync.operation
               WHERE source_kind = 'contact' AND source_id = %(contact)s
                 AND state IN ('planned', 'in_flight', 'unknown')) AS is_open
FROM krayin_sync.inbox_event AS event JOIN krayin_sync.sync_run AS run ON run.id = event.run_id
WHERE event.delivery_id = %(delivery)s
"""


def tell_secret(stack: RunningStack) -> None:
    """Enter the secret as an Airflow connection, as somebody without an API token does."""
    stack.api.write_connections(
        [{"connection_id": f"chatwoot_webhook_{SYNC}", "conn_type": "generic", "password": SECRET}]
    )


def post(stack: RunningStack, client: httpx.Client, contact_id: int, name: str) -> str:
    """Change a contact in Chatwoot, send the webhook and return its delivery id."""
    with psycopg.connect(stack.chatwoot_dsn, autocommit=True) as chatwoot:
        changes.update_contact(chatwoot, contact_id, name=name)
    body = webhooks.encode(webhooks.contact_updated(contact_id, name=name))
    headers = webhooks.headers(SECRET, body)
    answer = client.post(f"{stack.url}/chatwoot/webhooks/{SYNC}", content=body, headers=headers)
    assert answer.json() == {"status": "accepted"}, answer.text
    return str(headers["X-Chatwoot-Delivery"])


def once(
    stack: RunningStack, client: httpx.Client, sync_db: psycopg.Connection, burst: dict[int, str]
) -> dict[str, float]:
    """Change the contacts of a burst, wait until all arrived and return the parts of the first one."""
    first, *others = burst.items()
    sent = datetime.now(UTC)
    delivery = post(stack, client, *first)
    answered = datetime.now(UTC)
    deliveries = {first[0]: delivery} | {
        contact: post(stack, client, contact, name) for contact, name in others
    }
    arrivals = [arrival(sync_db, contact, given) for contact, given in deliveries.items()]
    planned, dag_run_id, shown, accepted = arrivals[0]
    path = f"/api/v2/dags/{SYNC}__events/dagRuns/{dag_run_id.partition('#')[0]}"
    run = stack.api._call("GET", path)  # noqa: SLF001
    (task,) = stack.api._call("GET", f"{path}/taskInstances")["task_instances"]  # noqa: SLF001
    queued, started = (datetime.fromisoformat(text) for text in (run["queued_at"], task["start_date"]))
    # A run that listens was there before.
    queued = max(queued, answered)
    started = max(started, queued)
    moments = (sent, answered, queued, started, planned, shown, accepted)
    parts = {
        part: (later - earlier).total_seconds()
        for part, earlier, later in zip(PARTS, moments, moments[1:], strict=False)
    }
    return {
        **parts,
        "shown": (shown - sent).total_seconds(),
        "total": (accepted - sent).total_seconds(),
    }


def wait_for_watcher(sync_db: psycopg.Connection) -> None:
    """Wait until the triggerer watches the inbox; it begins some seconds after Airflow has started."""
    deadline = time.monotonic() + 60
    while not sync_db.execute(WATCHED).fetchone():
        assert time.monotonic() < deadline, "the triggerer does not watch the inbox"
        time.sleep(0.2)


def arrival(sync_db: psycopg.Connection, contact_id: int, delivery: str) -> tuple[Any, ...]:
    """Wait for a change; return when it was planned, by which DAG run, and when Krayin took the calls."""
    deadline = time.monotonic() + 180
    given = {"contact": str(contact_id), "delivery": delivery}
    while time.monotonic() < deadline:
        row = sync_db.execute(ARRIVED, given).fetchone()
        if row is not None and row[2] is not None and not row[4]:
            return row[:4]
        time.sleep(0.1)
    message = f"the change of contact {contact_id} did not arrive"
    raise TimeoutError(message)


def measure(
    stack: RunningStack, times: int, pause: float, burst: int, every: float | None
) -> list[dict[str, float]]:
    """Make `times` bursts, one after the other has arrived, and return the parts of the first of each."""
    with psycopg.connect(stack.sync_dsn, autocommit=True) as sync_db, httpx.Client(timeout=5) as client:
        contacts = itertools.cycle(
            int(row[0])
            for row in sync_db.execute(
                "SELECT source_id FROM krayin_sync.mapping WHERE crm_kind = 'person' AND state = 'linked'"
                " AND source_kind = 'contact' ORDER BY source_id::bigint LIMIT 100"
            ).fetchall()
        )
        wait_for_watcher(sync_db)
        found = []
        expected: dict[int, str] = {}
        for number in range(times + 1):
            names = {
                contact: f"Renamed {number} {time.time():.0f}"
                for contact in itertools.islice(contacts, burst)
            }
            parts = once(stack, client, sync_db, names)
            expected |= names
            if number:  # the first one finds cold caches, as after a restart
                found.append(parts)
            # Out of step with the loops of Airflow that wake every second.
            if every:
                time.sleep(every * random.uniform(0.5, 1.5))
                continue
            while stack.api.active_runs(f"{SYNC}__events"):
                time.sleep(0.2)
            time.sleep(pause * random.uniform(0.5, 1.5))
        check(stack, sync_db, expected)
    return found


def begin_backfill(stack: RunningStack, contacts: int) -> None:
    """Add contacts of one day, start bringing that day over and wait until that uses the budget up."""
    day = datetime(2026, 1, 1, tzinfo=UTC)
    with psycopg.connect(stack.chatwoot_dsn, autocommit=True) as chatwoot, chatwoot.transaction():
        for number in range(contacts):
            changes.add_contact(
                chatwoot, 1, name=f"Old {number}", email=f"old{number}@backfill.example",
                created_at=day, updated_at=day,
            )  # fmt: skip
    window = {"window_start": day.isoformat(), "window_end": (day + timedelta(days=1)).isoformat()}
    stack.api.trigger(f"{SYNC}__backfill", {**window, "carry_out": True})
    deadline = time.monotonic() + 300
    while made_lately(stack) < FULL_PACE / 2:
        assert time.monotonic() < deadline, "the backfill did not begin"
        time.sleep(1)


def made_lately(stack: RunningStack) -> int:
    """Return the calls of the last minute."""
    with psycopg.connect(stack.sync_dsn) as sync_db:
        row = sync_db.execute(
            "SELECT count(*) FROM krayin_sync.api_call WHERE at > clock_timestamp() - interval '1 minute'"
        ).fetchone()
    assert row
    return int(row[0])


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
    parser.add_argument("--contacts", type=int)
    parser.add_argument("--pause", type=float, default=0.5)
    parser.add_argument("--every", type=float, metavar="SECONDS")
    parser.add_argument("--backfill", type=int, default=0, metavar="CONTACTS")
    parser.add_argument("--burst", type=int)
    given = parser.parse_args()
    burst = given.burst or (3 if given.backfill else 1)
    loads = [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory() as folder:
        syncs = Path(folder) / "syncs"
        syncs.mkdir()
        # A comparison that the hour starts would be measured as well.
        text = (SANDBOX / "sandbox.yaml").read_text() + "reconcile: {schedule: null}\n"
        # Nobody is there to approve.
        text += f"max_changes_without_approval: {{number: {10 * (given.backfill + given.times * burst)}}}\n"
        if given.backfill:
            text = re.sub("requests_per_minute: .*", f"requests_per_minute: {FULL_PACE}", text)
        (syncs / "sandbox.yaml").write_text(text)
        with running_stack(
            Path(folder) / "stack",
            krayin_sync_syncs=syncs,
            sandbox_contacts=given.contacts or (40 if given.backfill else 120),
            sandbox_conversations=10,
            sandbox_messages=20,
        ) as stack:
            tell_secret(stack)
            if given.backfill:
                begin_backfill(stack, given.backfill)
            found = measure(stack, given.times, given.pause, burst, given.every)
            lately = made_lately(stack)
    loads.append(os.getloadavg()[0])
    facts = {"times": given.times, "burst": burst, "load": loads, "cpus": os.cpu_count()}
    if given.backfill:
        facts |= {"backfill": given.backfill, "calls_in_the_last_minute": lately}
    if given.every:
        facts |= {"every": given.every}
    kind = "_backfill" if given.backfill else "_steady" if given.every else ""
    report(found, facts, f"webhook_latency{kind}")


def report(found: list[dict[str, float]], facts: dict[str, Any], name: str) -> None:
    table = Table(title=f"{facts}, seconds")
    for column in ("", "p50", "p95", "mean", "max"):
        table.add_column(column, justify="right" if column else "left")
    result = dict(facts)
    for part in PARTS:
        values = [one[part] for one in found]
        result[part] = {
            "p50": round(percentile(values, 0.5), 3),
            "p95": round(percentile(values, 0.95), 3),
            "mean": round(statistics.fmean(values), 3),
            "max": round(max(values), 3),
        }
        table.add_row(part, *(f"{number:.3f}" for number in result[part].values()))
    Console().print(table)
    keep(name, result)


if __name__ == "__main__":
    main()
