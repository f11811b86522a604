"""How much of the allowed rate the budget lets workers use, against the limit itself.

python benchmarks/rate_budget.py [--window 6] [--windows 3] [--latency 0.02] [--rates 60 600 6000]
    [--neighbour every:3|poisson:40]

A limiter like Krayin's runs in this process; the workers are processes that call it over a socket
after asking a budget in a PostgreSQL of their own. Rates are calls a minute. With the default
window of 6 s a tenth of the calls falls into a tenth of the time, so that the calls per second are
the real ones while the answer's delay weighs ten times as much as with the real 60 s (`--window 60`).
The base of each share is the physical limit of the same run: what the limiter allows in the
measured time, or what the same workers make without any budget, if that is less.

A neighbour is another program with the same API user that asks nobody: `every:3` calls once in 3 s,
`poisson:40` at random, 40 times a minute on average. What it was granted is no part of the base.
The real thing takes five minutes and more:
python benchmarks/rate_budget.py --window 60 --windows 5 --rates 60 --workers 4 --neighbour every:3
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import statistics
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from multiprocessing.connection import Client, Listener
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from krayin.permits import Lane, LimitFeedback, NoopLimiter
from krayin.rate_limiter import RateBudget
from reconciliation.migrations import upgrade
from rich.console import Console
from rich.table import Table

from benchmarks.common.results import keep
from stack.postgres import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.synchronize import Event

    from krayin.permits import RateLimiter

KEY = b"benchmark"
COLUMNS = (
    "rate_per_minute",
    "workers",
    "calls",
    "calls_allowed",
    "calls_unpaced",
    "neighbour_calls",
    "share",
    "refused",
    "refused_later",
    "neighbour_refused",
    "ms_acquire",
    "ms_settle",
)


@dataclass(frozen=True, slots=True)
class Calls:
    """When calls were made, those that were granted and those that were refused."""

    taken: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)


class Limiter:
    """A fixed window that opens with the first call after the last one ended."""

    def __init__(self, limit: int, window: float) -> None:
        self.limit, self.window = limit, window
        self.guard = threading.Lock()
        self.ends = self.count = 0.0
        self.ours, self.neighbour = Calls(), Calls()

    def hit(self, calls: Calls) -> LimitFeedback:
        """Count a call and answer it."""
        with self.guard:
            now = time.monotonic()
            if now >= self.ends:
                self.ends, self.count = now + self.window, 0
            if self.count >= self.limit:
                calls.refused.append(now)
                return LimitFeedback(refused=True)
            self.count += 1
            calls.taken.append(now)
            return LimitFeedback(self.limit, int(self.limit - self.count))

    def serve(self, connection: Connection) -> None:
        """LimitFeedback one worker until it hangs up."""
        try:
            while True:
                connection.recv()
                connection.send(self.hit(self.ours))
        except (EOFError, OSError):
            return


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another program with the same API user: one call each `seconds`, regular or at random."""

    seconds: float
    regular: bool

    @classmethod
    def parse(cls, text: str) -> Neighbour:
        """Read `every:SECONDS` or `poisson:CALLS_A_MINUTE`."""
        kind, _, number = text.partition(":")
        if kind not in {"every", "poisson"}:
            raise argparse.ArgumentTypeError(text)
        return cls(float(number) if kind == "every" else 60 / float(number), kind == "every")

    def call(self, limiter: Limiter, stop: threading.Event) -> None:
        """Call until told to stop."""
        chance = random.Random(0)
        due = time.monotonic()
        while not stop.wait(max(0.0, due - time.monotonic())):
            limiter.hit(limiter.neighbour)
            due += self.seconds if self.regular else chance.expovariate(1 / self.seconds)


@dataclass(frozen=True, slots=True)
class Result:
    """One row: `share` of the limiter's rate, `ms_*` spent inside the budget by calls that need not wait.

    `refused` are our refused calls, `refused_later` those after the first window.
    """

    rate_per_minute: int
    workers: int
    lane: str
    window_seconds: float
    windows_measured: int
    calls: int
    calls_allowed: int
    calls_unpaced: int
    neighbour_calls: int
    share: float
    refused: int
    refused_later: int
    neighbour_refused: int
    ms_acquire: float
    ms_settle: float


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker process needs to know; `limit` 0 means to call without asking anybody."""

    dsn: str
    lane: Lane
    limit: int
    window: float
    latency: float

    def __call__(self, address: tuple[str, int], stop: Event) -> None:
        """Call the limiter until told to stop."""
        server = Client(address, authkey=KEY)
        limiter: RateLimiter = (
            RateBudget(
                lambda: psycopg.connect(self.dsn),
                "bench",
                requests_per_minute=self.limit,
                lane=self.lane,
                window=self.window,
            )
            if self.limit
            else NoopLimiter()
        )
        while not stop.is_set():
            slot = limiter.acquire()
            server.send(None)
            answer = server.recv()
            time.sleep(self.latency)
            limiter.settle(slot, answer)


@contextmanager
def working(limiter: Limiter, work: Work, workers: int) -> Iterator[None]:
    """Have `workers` processes call the limiter; entered when all are connected."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    with Listener(("127.0.0.1", 0), authkey=KEY) as listener:
        processes = [
            context.Process(target=work, args=(listener.address, stop), daemon=True) for _ in range(workers)
        ]
        for process in processes:
            process.start()
        for _ in processes:
            threading.Thread(target=limiter.serve, args=(listener.accept(),), daemon=True).start()
        try:
            yield
        finally:
            stop.set()
            for process in processes:
                process.join(work.window + 5)
                process.kill()


def unpaced_rate(work: Work, workers: int) -> float:
    """Return the calls a second that the workers make when nobody holds them back."""
    limiter = Limiter(10**9, 3600)
    with working(limiter, replace(work, limit=0), workers):
        time.sleep(0.5)
        begin = time.monotonic()
        time.sleep(2)
        end = time.monotonic()
    return sum(begin <= taken < end for taken in limiter.ours.taken) / (end - begin)


def cost(dsn: str) -> tuple[float, float]:
    """Return the median milliseconds of a grant that is free at once, and of a settlement."""
    acquire, settle = [], []
    with RateBudget(lambda: psycopg.connect(dsn), "cost", requests_per_minute=6000, lane=Lane.LIVE) as budget:
        for made in range(1, 301):
            t0 = time.perf_counter()
            slot = budget.acquire()
            t1 = time.perf_counter()
            budget.settle(slot, LimitFeedback(6000, 6000 - made))
            acquire.append(t1 - t0)
            settle.append(time.perf_counter() - t1)
    return statistics.median(acquire) * 1000, statistics.median(settle) * 1000


def measure(cluster: Cluster, rate: int, workers: int, lane: Lane, options: argparse.Namespace) -> Result:
    cluster.drop_database("bench")
    cluster.create_database("bench")
    dsn = cluster.dsn("bench")
    upgrade(dsn)
    window, limit = options.window, max(1, round(rate * options.window / 60))
    ms_acquire, ms_settle = cost(dsn)
    work = Work(dsn, lane, limit, window, options.latency)
    physical = unpaced_rate(work, workers) * window * options.windows
    limiter = Limiter(limit, window)
    stop = threading.Event()
    with working(limiter, work, workers):
        if options.neighbour is not None:
            threading.Thread(target=options.neighbour.call, args=(limiter, stop), daemon=True).start()
        while not limiter.ours.taken:
            time.sleep(0.01)
        # The first window fills the ring; whole windows after it, or a burst would count twice.
        begin = limiter.ours.taken[0] + window
        end = begin + options.windows * window
        time.sleep(end - time.monotonic())
    stop.set()
    calls = sum(begin <= taken < end for taken in limiter.ours.taken)
    beside = sum(begin <= taken < end for taken in limiter.neighbour.taken)
    allowed = limit * options.windows - beside
    return Result(
        rate_per_minute=rate,
        workers=workers,
        lane=lane.name.lower(),
        window_seconds=window,
        windows_measured=options.windows,
        calls=calls,
        calls_allowed=allowed,
        calls_unpaced=round(physical),
        neighbour_calls=beside,
        share=round(calls / min(allowed, physical), 4),
        refused=len(limiter.ours.refused),
        refused_later=sum(refused >= begin for refused in limiter.ours.refused),
        neighbour_refused=len(limiter.neighbour.refused),
        ms_acquire=round(ms_acquire, 2),
        ms_settle=round(ms_settle, 2),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--window", type=float, default=6.0)
    parser.add_argument("--windows", type=int, default=3)
    parser.add_argument("--latency", type=float, default=0.02)
    parser.add_argument("--rates", type=int, nargs="+", default=[60, 600, 6000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--lane", type=str.upper, choices=Lane.__members__, default="SCHEDULED")
    parser.add_argument("--neighbour", type=Neighbour.parse)
    options = parser.parse_args()
    results = []
    table = Table(
        title=f"Share of the allowed rate, window {options.window:g} s, latency {options.latency * 1000:g} ms"
    )
    for column in COLUMNS:
        table.add_column(column.replace("_", " "), justify="right")
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        # Durable as in production: grants wait for the disk.
        cluster = Cluster(Path(directory) / "data", options_port(), "benchmark", {})
        cluster.start()
        try:
            for rate in options.rates:
                for workers in options.workers:
                    result = measure(cluster, rate, workers, Lane[options.lane], options)
                    results.append(result)
                    row = asdict(result)
                    table.add_row(
                        *(f"{row[name]:.2%}" if name == "share" else str(row[name]) for name in COLUMNS)
                    )
        finally:
            cluster.stop("fast")
    Console(width=160).print(table)
    keep("rate_budget", [asdict(result) for result in results])


def options_port() -> int:
    """Return a free TCP port."""
    with Listener(("127.0.0.1", 0)) as probe:
        return int(probe.address[1])


if __name__ == "__main__":
    main()
