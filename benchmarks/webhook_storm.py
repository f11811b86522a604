"""A storm of webhooks: how fast the receiver answers, what is lost, what it costs in calls to Krayin.

python benchmarks/webhook_storm.py [--airflow] [--events 20000] [--connections 50] [--contacts 200]

The receiver runs alone under uvicorn; runs are made as the events DAG makes them, one after the other as
long as something waits. With `--airflow` it is the whole stack of `make up`. Before the storm each
contact's row was changed once: two records of Krayin each.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import psutil
import psycopg
from reconciliation.migrations import upgrade
from reconciliation.run.events import act_on_events
from reconciliation.run.request import RunRequest
from rich.console import Console

from benchmarks.common.results import keep
from sandbox.chatwoot import changes, webhooks
from sandbox.chatwoot.sample import Sample, fill
from sandbox.chatwoot.schema import create_schema
from sandbox.krayin.testing import running_krayin
from stack.postgres import Cluster
from stack.syncs import SANDBOX
from tests.ports import free_ports
from tests.reconciliation.world import World
from tests.running_stack import RunningStack, running_stack

ROOT = Path(__file__).resolve().parents[1]
SECRET = "storm-secret-123456789012"
SYNC = "test"


def receiver(sync_url: str, syncs: Path, port: int) -> subprocess.Popen[bytes]:
    """Start the receiver alone."""
    syncs.mkdir()
    (syncs / "test.yaml").write_text(f"name: {SYNC}\nchatwoot: {{account_id: 1}}\n")
    command = ["-m", "uvicorn", "--factory", "reconciliation.web.webhook_app:standalone"]
    return subprocess.Popen(
        [sys.executable, *command, "--port", str(port), "--log-level", "warning", "--no-access-log"],
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}",
            "KRAYIN_SYNC_DATABASE_URL": sync_url,
            "KRAYIN_SYNC_SYNCS": str(syncs),
            "CHATWOOT_WEBHOOK_SECRET_TEST": SECRET,
        },
    )


Request = tuple[bytes, dict[str, Any]]


async def storm(
    url: str, contacts: list[int], events: int, connections: int
) -> tuple[list[float], dict[str, int], float]:
    """Send the events; return the seconds each answer took, how often each came, and the seconds in all."""
    # Made beforehand: the sender shares the machine with what it measures.
    requests: list[Request] = []
    for number in range(events):
        body = webhooks.encode(webhooks.contact_updated(contacts[number % len(contacts)], number=number))
        requests.append((body, webhooks.headers(SECRET, body)))
    left = iter(requests)
    took: list[float] = []
    said: dict[str, int] = {}

    async def sender(session: aiohttp.ClientSession) -> None:
        for body, headers in left:
            began = time.perf_counter()
            async with session.post(url, data=body, headers=headers) as answer:
                content = await answer.read()
            took.append(time.perf_counter() - began)
            word = json.loads(content)["status"] if answer.status == 200 else str(answer.status)
            said[word] = said.get(word, 0) + 1

    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(10)) as session:
        began = time.perf_counter()
        await asyncio.gather(*(sender(session) for _ in range(connections)))
        return took, said, time.perf_counter() - began


def send(
    url: str, contacts: list[int], events: int, connections: int
) -> tuple[list[float], dict[str, int], float]:
    """Send the events from this process."""
    return asyncio.run(storm(url, contacts, events, connections))


def runs_while(world: World, stop: threading.Event, count: list[int]) -> None:
    """Make runs as the events DAG does."""
    sync = world.sync()
    while True:
        ended = stop.is_set()
        count.append(len(act_on_events(sync)))
        if ended and not count[-1]:
            return
        time.sleep(0.5)


def wait_for(url: str) -> None:
    for _ in range(200):
        try:
            httpx.post(url, timeout=2)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--contacts", type=int, default=200)
    parser.add_argument("--airflow", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = (in_airflow if given.airflow else alone)(Path(folder), given)
    Console().print_json(json.dumps(result))
    keep("webhook_storm_airflow" if given.airflow else "webhook_storm", result)


def alone(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Measure the receiver alone, and runs one after the other."""
    (port, postgres_port) = free_ports(2)
    cluster = Cluster(folder / "data", postgres_port, "bench", {"max_connections": "100"})
    with running_krayin() as krayin:
        cluster.start()
        try:
            for name in ("chatwoot", "sync"):
                cluster.create_database(name)
            world = World(cluster.dsn("chatwoot"), cluster.dsn("sync"), krayin)
            # What changes so much at once would wait for approval.
            world.settings["max_changes_without_approval"] = {"number": 100 * given.contacts}
            upgrade(world.sync_url)
            return measured_alone(world, folder, port, given)
        finally:
            cluster.stop("immediate")


def measured_alone(world: World, folder: Path, port: int, given: argparse.Namespace) -> dict[str, Any]:
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        create_schema(connection)
        fill(connection, Sample(contacts=0, conversations=0, messages=0, accounts=1))
    contacts = [world.add(name=f"C{n}", email=f"c{n}@example.com") for n in range(given.contacts)]
    world.run(RunRequest())
    for contact in contacts:
        world.change(contact, name=f"Changed {contact}")
    server = receiver(world.sync_url, folder / "syncs", port)
    url = f"http://127.0.0.1:{port}/webhooks/{SYNC}"
    try:
        wait_for(url)
        stop, rounds = threading.Event(), list[int]()
        last_run = world.rows("SELECT max(id) FROM sync_run")[0][0]
        worker = threading.Thread(target=runs_while, args=(world, stop, rounds))
        worker.start()
        took, said, seconds = sent(url, contacts, given)
        used = psutil.Process(server.pid).cpu_times()
        stop.set()
        worker.join()
    finally:
        server.terminate()
        server.wait(20)
    names = {number: str(person["name"]) for number, person in enumerate(world.persons())}
    return {
        **answers(given, took, said, seconds),
        "receiver_cpu_ms_per_event": round(1000 * (used.user + used.system) / given.events, 2),
        **stored(world.sync_url, given, last_run),
        "persons_not_final": sum(names[n] != f"Changed {contact}" for n, contact in enumerate(contacts)),
        "dag_runs": sum(1 for each in rounds if each),
    }


def in_airflow(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Measure the whole stack of `make up`: the receiver in Airflow's API server, runs made by Airflow."""
    syncs = folder / "syncs"
    syncs.mkdir()
    text = (SANDBOX / "sandbox.yaml").read_text()
    guard = f"max_changes_without_approval: {{number: {100 * given.contacts}}}\n"
    (syncs / "sandbox.yaml").write_text(text + guard + "reconcile: {schedule: null}\n")
    with running_stack(
        folder / "stack",
        krayin_sync_syncs=syncs,
        sandbox_contacts=given.contacts + given.contacts // 2,
        sandbox_conversations=0,
        sandbox_messages=0,
        airflow_parallelism=3,
    ) as stack:
        stack.api.write_connections(
            [{"connection_id": "chatwoot_webhook_sandbox", "conn_type": "generic", "password": SECRET}]
        )
        return measured_in_airflow(stack, given)


def measured_in_airflow(stack: RunningStack, given: argparse.Namespace) -> dict[str, Any]:
    persons = persons_of(stack.sync_dsn, given.contacts)
    stack.api._call("PATCH", "/api/v2/dags/sandbox__sync", json={"is_paused": True})  # noqa: SLF001
    with psycopg.connect(stack.chatwoot_dsn, autocommit=True) as chatwoot:
        for contact in persons:
            changes.update_contact(chatwoot, contact, name=f"Changed {contact}")
    with psycopg.connect(stack.sync_dsn) as sync_db:
        row = sync_db.execute("SELECT max(id) FROM krayin_sync.sync_run").fetchone()
    assert row
    took, said, seconds = sent(f"{stack.url}/chatwoot/webhooks/sandbox", list(persons), given)
    while stored(stack.sync_dsn, given, row[0])["not_processed"] or stack.api.active_runs("sandbox__events"):
        time.sleep(0.5)
    shown = httpx.get(
        f"{stack.krayin_url}/api/v1/contacts/persons?pagination=0",
        headers={"Authorization": f"Bearer {stack.krayin_token}", "Accept": "application/json"},
        timeout=60,
    ).json()["data"]
    names = {person["id"]: person["name"] for person in shown}
    with psycopg.connect(stack.sync_dsn) as sync_db:
        dag_runs = sync_db.execute(
            "SELECT count(DISTINCT split_part(dag_run_id, '#', 1)) FROM krayin_sync.sync_run"
            " WHERE kind = 'events' AND id > %s",
            row,
        ).fetchone()
    assert dag_runs
    return {
        **answers(given, took, said, seconds),
        **stored(stack.sync_dsn, given, row[0]),
        "persons_not_final": sum(
            names[person] != f"Changed {contact}" for contact, person in persons.items()
        ),
        "dag_runs": dag_runs[0],
    }


def persons_of(sync_dsn: str, count: int) -> dict[int, int]:
    """Return some linked contacts with their persons in Krayin."""
    with psycopg.connect(sync_dsn) as sync_db:
        return dict(
            sync_db.execute(
                "SELECT source_id::int, crm_id::int FROM krayin_sync.mapping WHERE source_kind = 'contact'"
                " AND crm_kind = 'person' AND state = 'linked' ORDER BY 1 LIMIT %s",
                (count,),
            ).fetchall()
        )


def sent(
    url: str, contacts: list[int], given: argparse.Namespace
) -> tuple[list[float], dict[str, int], float]:
    """Send the storm from a process of its own: what it measures must not wait for the runs in this one."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(send, url, contacts, given.events, given.connections).result()


def answers(
    given: argparse.Namespace, took: list[float], said: dict[str, int], seconds: float
) -> dict[str, Any]:
    """Return what the sender saw."""
    took = sorted(took)
    return {
        "events": given.events,
        "connections": given.connections,
        "contacts": given.contacts,
        "events_per_second": round(given.events / seconds),
        "answer_ms": {
            name: round(1000 * took[min(len(took) - 1, round(share * (len(took) - 1)))], 1)
            for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
        },
        "answers": said,
        "load": [round(number, 1) for number in os.getloadavg()],
    }


def stored(sync_dsn: str, given: argparse.Namespace, last_run: int) -> dict[str, Any]:
    """Return what became of the events, and the calls to Krayin since a run."""
    with psycopg.connect(sync_dsn) as sync_db:
        events = sync_db.execute(
            "SELECT count(*), count(*) FILTER (WHERE processed_at IS NULL) FROM krayin_sync.inbox_event"
        ).fetchone()
        calls = sync_db.execute(
            "SELECT count(*) FILTER (WHERE method <> 'GET'), count(*) FILTER (WHERE method = 'GET')"
            " FROM krayin_sync.api_call WHERE run_id > %s",
            (last_run,),
        ).fetchone()
    assert events
    assert calls
    return {
        "stored": events[0],
        "not_processed": events[1],
        "records_changed": 2 * given.contacts,
        "writing_calls": calls[0],
        "writing_calls_per_record": round(calls[0] / (2 * given.contacts), 3),
        "reading_calls": calls[1],
    }


if __name__ == "__main__":
    main()
