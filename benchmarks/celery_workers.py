"""One run carried out by loaders in several Celery workers, one of which is killed on the way.

PYTHONPATH=plugins:. .venv/bin/python benchmarks/celery_workers.py --broker redis://127.0.0.1:6379/0

Everything is real but Krayin: Airflow with CeleryExecutor, the broker, the workers as processes of
their own, PostgreSQL. The workers share nothing but PostgreSQL and the broker; the stand-in is held to
the same limit as the sync. The base is the limit: calls that any 60 seconds may see.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg

from benchmarks.common.results import keep, show
from sandbox.chatwoot import changes
from tests.running_stack import RunningStack, running_stack

SYNC = """\
name: sandbox
schedule: null
reconcile: {{schedule: null}}
chatwoot: {{account_id: 1}}
krayin: {{requests_per_minute: {limit}, loaders: {workers}}}
sync_to_organization: true
"""
WINDOW = timedelta(seconds=60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--broker", help="URL of the broker; without one nothing is measured")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--contacts", type=int, default=600)
    parser.add_argument("--limit", type=int, default=300, help="calls a minute")
    arguments = parser.parse_args()
    if arguments.broker is None:
        print("Left out: it needs a broker, such as --broker redis://127.0.0.1:6379/0")
        return
    with tempfile.TemporaryDirectory() as folder:
        syncs = Path(folder) / "syncs"
        syncs.mkdir()
        (syncs / "sandbox.yaml").write_text(SYNC.format(limit=arguments.limit, workers=arguments.workers))
        with running_stack(
            Path(folder) / "data",
            krayin_sync_syncs=syncs,
            sandbox_contacts=2,
            sandbox_conversations=0,
            sandbox_messages=0,
            airflow_parallelism=2 * arguments.workers,
            celery_broker_url=arguments.broker,
            celery_workers=arguments.workers,
        ) as stack:
            measured = [measure(stack, arguments)]
    show(measured, "One run on several Celery workers")
    keep("celery_workers", measured)


def measure(stack: RunningStack, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the syncs, kill a worker on the way, and count."""
    httpx.put(
        f"{stack.krayin_url}/sandbox/settings", json={"requests_per_minute": arguments.limit}
    ).raise_for_status()
    with psycopg.connect(stack.chatwoot_dsn, autocommit=True) as connection:
        for number in range(arguments.contacts):
            changes.add_contact(
                connection,
                1,
                name=f"Contact {number}",
                email=f"contact{number}@example.com",
                additional_attributes={"company_name": f"Company {number % 40}"},
            )
    began = datetime.now(UTC)
    run = stack.api.trigger("sandbox__sync")
    wait_for_operations(stack, arguments.contacts // 3)
    victim = busy_worker(stack)
    os.killpg(victim, signal.SIGKILL) if os.getpgid(victim) == victim else os.kill(victim, signal.SIGKILL)
    state = stack.api.wait("sandbox__sync", run, 900)
    if open_operations(stack):
        # What the killed worker left behind is taken up when its lease is over.
        time.sleep(60)
        stack.run("sandbox__sync")
    seconds = (datetime.now(UTC) - began).total_seconds()
    return {
        "workers": arguments.workers,
        "contacts": arguments.contacts,
        "run": state,
        "loaders that wrote": len(writers(stack)),
        **counted(stack, arguments.limit, began),
        "seconds": round(seconds),
    }


def wait_for_operations(stack: RunningStack, number: int) -> None:
    """Wait until so many operations are done."""
    deadline = time.monotonic() + 600
    while rows(stack, "SELECT count(*) FROM operation WHERE state = 'done'")[0][0] < number:
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.5)


def busy_worker(stack: RunningStack) -> int:
    """Return the process id of a Celery worker."""
    said = stack.instance.supervised()
    assert said
    return next(each["pid"] for each in said["components"] if each["name"] == "worker-1")


def rows(stack: RunningStack, query: str) -> list[tuple[Any, ...]]:
    """Return rows of the sync database."""
    with psycopg.connect(stack.sync_dsn, autocommit=True) as connection:
        connection.execute("SET search_path = krayin_sync")
        return connection.execute(query).fetchall()


def open_operations(stack: RunningStack) -> int:
    """Return the number of operations that are not at their end."""
    return int(
        rows(stack, "SELECT count(*) FROM operation WHERE state IN ('planned', 'in_flight', 'unknown')")[0][0]
    )


def writers(stack: RunningStack) -> set[str]:
    """Return the loaders that reached their end; a killed one begins again under its number."""
    found = rows(
        stack,
        "SELECT key FROM sync_run, jsonb_each(summary) WHERE key LIKE 'loader\\_%' OR key = 'operations'",
    )
    return {name for (name,) in found}


def counted(stack: RunningStack, limit: int, began: datetime) -> dict[str, Any]:
    """Return duplicates, refusals and the busiest minute."""
    answer = httpx.get(
        f"{stack.krayin_url}/api/v1/contacts/persons?pagination=0",
        headers={"Authorization": f"Bearer {stack.krayin_token}", "Accept": "application/json"},
        timeout=60,
    )
    emails = Counter(row["value"] for person in answer.json()["data"] for row in person["emails"])
    times = [at for (at,) in rows(stack, "SELECT at FROM api_call ORDER BY at") if at >= began]
    refused = rows(stack, "SELECT count(*) FROM api_call WHERE outcome = 'rate_limited'")[0][0]
    first = busiest = 0
    for last, at in enumerate(times):
        while at - times[first] >= WINDOW:
            first += 1
        busiest = max(busiest, last - first + 1)
    return {
        "people": len([email for email in emails if email.startswith("contact")]),
        "duplicates": sum(count - 1 for count in emails.values()),
        "left open": open_operations(stack),
        "calls": len(times),
        "refused": refused,
        "busiest minute": busiest,
        "of the limit": round(busiest / limit, 3),
    }


if __name__ == "__main__":
    main()
