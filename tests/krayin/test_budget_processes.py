"""Several processes, some killed, under one real limiter with a short window."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.managers import BaseManager
from typing import TYPE_CHECKING, Any

import psycopg
from krayin.permits import Lane, LimitFeedback
from krayin.rate_limiter import RateBudget

from tests.krayin.budget_world import FixedWindow, fullest, prepare

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 30
WINDOW = 2.0


class Server:
    """The limiter as a server that processes call over a socket."""

    def __init__(self) -> None:
        self.window = FixedWindow(LIMIT, WINDOW)
        self.guard = threading.Lock()
        self.arrivals: list[float] = []
        self.refusals = 0
        self.by_worker: dict[int, int] = {}

    def hit(self, worker: int) -> LimitFeedback:
        with self.guard:
            now = time.monotonic()
            answer = self.window.hit(now, debug=False)
            self.arrivals.append(now)
            self.refusals += answer.refused
            self.by_worker[worker] = self.by_worker.get(worker, 0) + 1
            return answer

    def seen(self) -> tuple[list[float], int, dict[int, int]]:
        with self.guard:
            return list(self.arrivals), self.refusals, dict(self.by_worker)


class Remote(BaseManager):
    """Reaches the server from another process."""


def serve(listening: Any) -> None:
    # It ends with sys.exit, meant for a process of its own.
    with contextlib.suppress(SystemExit):
        listening.serve_forever()


def work(url: str, address: Any, number: int, lane: Lane) -> None:
    """Call for ever; the machine's clock of every second worker is a year ahead."""
    if number % 2:
        real = time.time
        time.time = lambda: real() + 3e7
    Remote.register("server")
    remote: Any = Remote(address, authkey=b"tests")
    remote.connect()
    server = remote.server()
    budget = RateBudget(
        lambda: psycopg.connect(url),
        "krayin#1",
        requests_per_minute=LIMIT,
        lane=lane,
        window=WINDOW,
        call_timeout=1.0,
    )
    while True:
        permit = budget.acquire()
        budget.settle(permit, server.hit(number))


def test_processes_that_are_killed_never_pass_the_limit(new_database: Callable[[str], str]) -> None:
    url = new_database("budget")
    prepare(url)
    server = Server()
    Remote.register("server", callable=lambda: server)
    remote = Remote(("127.0.0.1", 0), authkey=b"tests")
    listening = remote.get_server()
    threading.Thread(target=serve, args=(listening,), daemon=True).start()
    context = multiprocessing.get_context("spawn")
    lanes = [Lane.SCHEDULED, Lane.BACKFILL, Lane.LIVE, Lane.SCHEDULED, Lane.BACKFILL]
    workers = [
        context.Process(target=work, args=(url, listening.address, number, lane), daemon=True)
        for number, lane in enumerate(lanes)
    ]
    try:
        for worker in workers:
            worker.start()

        def wait_for(calls: int) -> None:
            while len(server.seen()[0]) < calls:
                assert all(worker.exitcode in (None, -signal.SIGKILL) for worker in workers)
                time.sleep(0.05)

        wait_for(40)
        for victim in workers[2:4]:
            assert victim.pid is not None
            os.kill(victim.pid, signal.SIGKILL)
        wait_for(40 + 4 * LIMIT)
    finally:
        for worker in workers:
            worker.kill()
            worker.join(10)
        listening.stop_event.set()
    arrivals, refusals, by_worker = server.seen()
    assert refusals == 0
    assert fullest(arrivals, WINDOW) <= LIMIT
    # Those that live go on after the others died, the lowest lane too.
    assert by_worker[0] > 0
    assert by_worker[4] > 0
