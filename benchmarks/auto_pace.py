"""What `requests_per_minute: auto` makes of a Krayin without a limit, against the best fixed pace.

python benchmarks/auto_pace.py [--contacts 10000] [--loaders 8] [--fixed 2400 4800 9600] [--ceiling 20000]

New contacts go to a stand-in of Krayin 2.2 in a process of its own, whose answers take 20 ms and, with more
than four calls at once, longer in proportion. The real loaders run as processes, as Airflow's tasks do. One
loader without any pace first: its p95 is what quick means here, for a tenth of the contacts. All rows of one
run were measured one after the other on the same machine; a fresh sync database and Krayin for each.
"""

from __future__ import annotations

import argparse
import multiprocessing
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import httpx
import psycopg
from chatwoot.database.source import DatabaseSource
from reconciliation.migrations import upgrade
from reconciliation.run.request import RunRequest
from reconciliation.run.sync_run import Sync
from reconciliation.settings.sync_settings import SyncSettings

from benchmarks.common.chatwoot_rows import ACCOUNT, add_contacts, new_chatwoot
from benchmarks.common.results import keep, show
from stack.postgres import Cluster
from tests.ports import free_ports
from tests.reconciliation.world import StandInAccess

if TYPE_CHECKING:
    from collections.abc import Iterator

UNPACED = 60_000
MILLISECONDS = 20
BEARS = 4


@dataclass(frozen=True, slots=True)
class Place:
    """What a loader's process needs to know."""

    chatwoot: str
    sync_database: str
    krayin: str
    pace: int | Literal["auto"]
    ceiling: int

    def sync(self) -> Sync:
        """Return the sync."""
        keys = {
            "name": "benchmark",
            "chatwoot": {"account_id": ACCOUNT},
            "krayin": {"max_requests_per_minute": self.ceiling},
        }
        return Sync(
            settings=SyncSettings.model_validate(keys),
            sync_dsn=self.sync_database,
            source=DatabaseSource(self.chatwoot),
            krayin=StandInAccess(self.krayin, "1|sandbox", pace=self.pace),
        )

    def help(self, run_id: int) -> None:
        """Be one of a run's loaders."""
        self.sync().help_load(run_id)


@contextmanager
def stand_in(instance: str) -> Iterator[str]:
    """Run a Krayin 2.2 that bears four calls at once; yield its address."""
    (port,) = free_ports(1)
    options = ["--version", "2.2", "--instance", instance, "--port", str(port)]
    options += ["--latency", str(MILLISECONDS), "--slow-beyond", str(BEARS)]
    process = subprocess.Popen([sys.executable, "-m", "sandbox.krayin", *options])
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                httpx.get(f"{address}/sandbox/health")
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()


def measure(
    cluster: Cluster, contacts: int, loaders: int, pace: int | Literal["auto"], ceiling: int = 1200
) -> dict[str, Any]:
    """Return how long a first load took and how quickly Krayin answered."""
    for name in ("chatwoot", "sync"):
        cluster.drop_database(name)
        cluster.create_database(name)
    upgrade(cluster.dsn("sync"))
    with psycopg.connect(cluster.dsn("chatwoot"), autocommit=True) as connection:
        new_chatwoot(connection)
        add_contacts(connection, contacts)
    with stand_in("unlimited-debug") as address:
        place = Place(cluster.dsn("chatwoot"), cluster.dsn("sync"), address, pace, ceiling)
        sync = place.sync()
        run_id = sync.plan(RunRequest())
        context = multiprocessing.get_context("spawn")
        helpers = [context.Process(target=place.help, args=(run_id,)) for _ in range(loaders - 1)]
        started = time.monotonic()
        for helper in helpers:
            helper.start()
        sync.load(run_id)
        for helper in helpers:
            helper.join()
        seconds = time.monotonic() - started
    with psycopg.connect(cluster.dsn("sync")) as connection:
        row = connection.execute(
            """SELECT count(*) FILTER (WHERE method = 'POST'),
                      percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY milliseconds)
                          FILTER (WHERE method = 'POST'),
                      count(*) FILTER (WHERE outcome <> 'answered')
               FROM krayin_sync.api_call WHERE run_id = %s""",
            (run_id,),
        ).fetchone()
    assert row is not None
    calls, (median, slowest), bad = row
    return {
        "pace": pace,
        "loaders": loaders,
        "contacts": contacts,
        "calls": calls,
        "seconds": round(seconds, 1),
        "calls a minute": round(calls / seconds * 60),
        "p50 ms": round(median),
        "p95 ms": round(slowest),
        "not answered": bad,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--contacts", type=int, default=10_000)
    parser.add_argument("--loaders", type=int, default=8)
    parser.add_argument("--fixed", type=int, nargs="*", default=[2400, 4800, 9600])
    parser.add_argument("--ceiling", type=int, default=20_000)
    options = parser.parse_args()
    rows = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        cluster = Cluster(folder / "postgres", free_ports(1)[0], "benchmark", {})
        cluster.start()
        stack.callback(cluster.stop, "immediate")
        rows.append(measure(cluster, options.contacts // 10, 1, UNPACED))
        for pace in options.fixed:
            rows.append(measure(cluster, options.contacts, options.loaders, pace))
            print(rows[-1], flush=True)
        rows.append(measure(cluster, options.contacts, options.loaders, "auto", options.ceiling))
    show(rows, f"Answers in {MILLISECONDS} ms, slower beyond {BEARS} at once")
    best = min((row["seconds"] for row in rows[1:-1]), default=None)
    if best is not None:
        alone, auto = rows[0], rows[-1]
        print(f"auto / best fixed: {auto['seconds'] / best:.2f} of the time,", end=" ")
        print(f"p95 {auto['p95 ms'] / alone['p95 ms']:.2f} times one caller's")
    keep("auto_pace", rows)


if __name__ == "__main__":
    main()
