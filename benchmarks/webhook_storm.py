"""A storm of webhooks: how fast the receiver answers, what is lost, what it costs in calls to Krayin.

python benchmarks/webhook_storm.py [--events 2000] [--connections 20] [--contacts 200]

The receiver runs alone under uvicorn; runs are made as the events DAG makes them, one after the other as
long as something waits. Before the storm each contact's row was changed once.
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

import httpx
import psutil
import psycopg
from reconciliation.events import act_on_events
from reconciliation.migrations import upgrade
from reconciliation.run import RunRequest
from rich.console import Console

from sandbox.chatwoot import webhooks
from sandbox.chatwoot.sample import Sample, fill
from sandbox.chatwoot.schema import create_schema
from sandbox.krayin.testing import running_krayin
from stack.postgres import Cluster
from stack.testing import free_ports
from tests.reconciliation.world import World

ROOT = Path(__file__).resolve().parents[1]
SECRET = "storm-secret-123456789012"
SYNC = "test"


def receiver(sync_url: str, syncs: Path, port: int) -> subprocess.Popen[bytes]:
    """Start the receiver alone."""
    syncs.mkdir()
    (syncs / "test.yaml").write_text(f"name: {SYNC}\nchatwoot: {{account_id: 1}}\n")
    command = ["-m", "uvicorn", "--factory", "reconciliation.webhook_app:standalone"]
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


async def storm(
    url: str, contacts: list[int], events: int, connections: int
) -> tuple[list[float], dict[str, int]]:
    """Send the events and return the seconds each answer took, and how often each answer came."""
    numbers = iter(range(events))
    took: list[float] = []
    said: dict[str, int] = {}

    async def sender(client: httpx.AsyncClient) -> None:
        for number in numbers:
            body = webhooks.encode(webhooks.contact_updated(contacts[number % len(contacts)], number=number))
            headers = webhooks.headers(SECRET, body)
            began = time.perf_counter()
            answer = await client.post(url, content=body, headers=headers)
            took.append(time.perf_counter() - began)
            word = answer.json().get("status", "") if answer.status_code == 200 else str(answer.status_code)
            said[word] = said.get(word, 0) + 1

    async with httpx.AsyncClient(
        timeout=10, limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    ) as client:
        await asyncio.gather(*(sender(client) for _ in range(connections)))
    return took, said


def send(
    url: str, contacts: list[int], events: int, connections: int
) -> tuple[list[float], dict[str, int], float]:
    """Send the events from this process; also return how many seconds that took."""
    began = time.perf_counter()
    took, said = asyncio.run(storm(url, contacts, events, connections))
    return took, said, time.perf_counter() - began


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
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--connections", type=int, default=20)
    parser.add_argument("--contacts", type=int, default=200)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_krayin() as krayin:
        (port, postgres_port) = free_ports(2)
        cluster = Cluster(Path(folder) / "data", postgres_port, "bench", {"max_connections": "100"})
        cluster.start()
        try:
            for name in ("chatwoot", "sync"):
                cluster.create_database(name)
            world = World(cluster.dsn("chatwoot"), cluster.dsn("sync"), krayin)
            upgrade(world.sync_url)
            result = measured(world, Path(folder), port, given)
        finally:
            cluster.stop("immediate")
    Console().print_json(json.dumps(result))
    (ROOT / "benchmarks" / "results" / "webhook_storm.json").write_text(json.dumps(result, indent=2) + "\n")


def measured(world: World, folder: Path, port: int, given: argparse.Namespace) -> dict[str, Any]:
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
        # A process of its own: what it measures must not wait for the runs in this one.
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            took, said, seconds = pool.submit(send, url, contacts, given.events, given.connections).result()
        used = psutil.Process(server.pid).cpu_times()
        stop.set()
        worker.join()
    finally:
        server.terminate()
        server.wait(20)
    took.sort()
    stored, left = world.rows(
        "SELECT count(*), count(*) FILTER (WHERE processed_at IS NULL) FROM inbox_event"
    )[0]
    writes, reads = world.rows(
        "SELECT count(*) FILTER (WHERE method <> 'GET'), count(*) FILTER (WHERE method = 'GET')"
        " FROM api_call WHERE run_id > %s",
        last_run,
    )[0]
    wrong = sum(
        person["name"] != f"Changed {contact}"
        for contact, person in zip(contacts, world.persons(), strict=True)
    )
    return {
        "events": given.events,
        "connections": given.connections,
        "events_per_second": round(given.events / seconds),
        "answer_ms": {
            name: round(1000 * took[min(len(took) - 1, round(share * (len(took) - 1)))], 1)
            for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
        },
        "receiver_cpu_ms_per_event": round(1000 * (used.user + used.system) / given.events, 2),
        "answers": said,
        "stored": stored,
        "not_processed": left,
        "persons_not_final": wrong,
        "runs": sum(rounds),
        "records_changed": 2 * given.contacts,
        "writing_calls": writes,
        "reading_calls": reads,
        "load": [round(number, 1) for number in os.getloadavg()],
    }


if __name__ == "__main__":
    main()
