"""What a piece of work costs: time, processor time of Python and of PostgreSQL, memory."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import psutil
import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stack.postgres import Cluster


@dataclass(slots=True)
class Usage:
    """Seconds of wall clock and of processor, and the largest resident memory of this process so far."""

    wall: float = 0.0
    python_cpu: float = 0.0
    postgres_cpu: float = 0.0
    peak_mb: float = 0.0
    peak_before_mb: float = 0.0


def postmaster(cluster: Cluster) -> int:
    """Return the process id of a running cluster's server."""
    return int((cluster.directory / "postmaster.pid").read_text().splitlines()[0])


def postgres_seconds(server: int) -> float:
    """Return the processor seconds that a PostgreSQL server and all its processes used so far."""
    # A session that has just been closed is in neither sum before its process is reaped.
    time.sleep(0.5)
    main = psutil.Process(server)
    own = main.cpu_times()
    # Those of processes that ended are counted with their parent.
    total = own.user + own.system + own.children_user + own.children_system
    for process in main.children(recursive=True):
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return float(total)


def peak_mb() -> float:
    """Return the largest resident memory of this process so far, in MB of 2^20 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def pages_read(dsn: str) -> int:
    """Return how many pages of 8 kB the ended sessions of a database asked for so far, cached or not."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT blks_hit + blks_read FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def measured(server: int) -> Iterator[Usage]:
    """Measure a with block; the numbers stand in what it yields after the block."""
    usage = Usage(peak_before_mb=peak_mb())
    database = postgres_seconds(server)
    wall, cpu = time.perf_counter(), time.process_time()
    yield usage
    usage.wall = time.perf_counter() - wall
    usage.python_cpu = time.process_time() - cpu
    usage.postgres_cpu = postgres_seconds(server) - database
    usage.peak_mb = peak_mb()


def in_a_process(script: Path, task: str, **arguments: Any) -> dict[str, Any]:
    """Run `task` of a benchmark in a fresh process, so that its memory is its own; return what it reports.

    The script must call `report` when started with `--task`.
    """
    done = subprocess.run(
        [sys.executable, str(script), "--task", task, json.dumps(arguments)],
        check=True,
        stdout=subprocess.PIPE,
        env=os.environ.copy(),
    )
    answer: dict[str, Any] = json.loads(done.stdout.decode().splitlines()[-1])
    return answer


def report(usage: Usage, **more: Any) -> None:
    """Print what `in_a_process` returns."""
    print(json.dumps({**asdict(usage), **more}), flush=True)
