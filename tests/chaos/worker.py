"""One run of a sync in a process of its own, which may be told to kill itself at a named point."""

from __future__ import annotations

import logging
import os
import random
import re
import signal
import sys
import time
import traceback
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
from chatwoot.database.source import DatabaseSource
from krayin import session
from krayin.client import KrayinClient
from krayin.errors import KrayinError
from krayin.rate_limiter import BudgetUnavailable, RateBudget
from reconciliation.crm import krayin_connection
from reconciliation.errors import ReconciliationError
from reconciliation.model.timing import Timing
from reconciliation.run.request import RunRequest
from reconciliation.run.sync_run import Sync
from reconciliation.settings.sync_settings import SyncSettings
from reconciliation.store.ledger import Ledger, OperationState

from tests.reconciliation.world import StandInAccess

if TYPE_CHECKING:
    from collections.abc import Callable

    from krayin.permits import RateLimiter
    from krayin.session import ApiCall

log = logging.getLogger(__name__)

POINTS = (
    "before_intent",
    "after_intent",
    "during_call",
    "after_call",
    "before_ack",
    "after_ack",
    "after_settle",
)
READ_TIMEOUT = 1.5
_ID = re.compile(r"(?<=/)[0-9]+")
TIMING = Timing(
    lease=timedelta(seconds=8),
    settle=timedelta(seconds=2),
    backoff=timedelta(seconds=0.3),
    longest_backoff=timedelta(seconds=2),
    down=timedelta(seconds=0.3),
    patience=timedelta(seconds=15),
)
# How a run ended, as exit codes.
DONE, LEFT, STOPPED, CRASHED = 0, 3, 4, 9


@dataclass(frozen=True)
class Job:
    """One run: where everything is, when to stop, where to die (`nth` time at `point`)."""

    chatwoot_url: str
    sync_url: str
    krayin_url: str
    token: str
    settings: dict[str, Any]
    log: str
    deaths: str
    seconds: float
    point: str | None = None
    nth: int = 1
    seed: int = 0
    plan: bool = True
    pace: int = 12_000
    options: dict[str, Any] = field(default_factory=dict)


def work(job: Job) -> None:
    """Plan and load once; the exit code tells how it ended."""
    output = os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(process)d %(asctime)s %(message)s", force=True
    )
    random.seed(job.seed)
    session.WINDOW = 1.2
    krayin_connection.RateBudget = partial(RateBudget, window=2.0, call_timeout=5.0)
    transport = Transport(job)
    access = DirectAccess(
        job.krayin_url,
        job.token,
        job.pace,
        {
            "transport": transport,
            "connect_timeout": READ_TIMEOUT,
            "read_timeout": READ_TIMEOUT,
            "sleep": lambda seconds: time.sleep(seconds if seconds == session.WINDOW else seconds * 0.02),
            **job.options,
        },
    )
    if job.point is not None:
        arm(job, transport)
    sync = Sync(
        settings=SyncSettings.model_validate(job.settings),
        sync_dsn=job.sync_url,
        source=DatabaseSource(job.chatwoot_url),
        krayin=access,
        timing=TIMING,
    )
    try:
        run = sync.load(sync.plan(RunRequest()), seconds=job.seconds)
    except (ReconciliationError, KrayinError, BudgetUnavailable) as error:
        log.warning("%s: %s", type(error).__name__, error)
        leave(STOPPED)
    except BaseException:  # noqa: BLE001 - the exit code tells the harness
        traceback.print_exc()
        leave(CRASHED)
    leave(LEFT if run.summary["waiting"] else DONE)


class DirectAccess(StandInAccess):
    """The stand-in at the address its API is known to have, so that every call counted is a sync's."""

    def client(self, limiter: RateLimiter, on_call: Callable[[ApiCall], None]) -> KrayinClient:
        return KrayinClient(
            f"{self.address}/api/v1", self.token, limiter=limiter, on_call=on_call, **self.options
        )


def leave(code: int) -> None:
    sys.stderr.flush()
    os._exit(code)


class Transport(httpx.BaseTransport):
    """HTTP over a socket, with a look at each writing call."""

    def __init__(self, job: Job) -> None:
        self._inner = httpx.HTTPTransport()
        self.before: Callable[[str], None] = lambda _: None
        self.sent: Callable[[str], None] = lambda _: None
        self.after: Callable[[str], None] = lambda _: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return self._inner.handle_request(request)
        call = f"{request.method} {_ID.sub('{id}', request.url.path.removeprefix('/api/v1/'))}"
        self.before(call)

        def trace(name: str, _: dict[str, Any]) -> None:
            if name == "http11.send_request_body.complete":
                self.sent(call)

        request.extensions = {**request.extensions, "trace": trace}
        response = self._inner.handle_request(request)
        response.read()
        self.after(call)
        return response

    def close(self) -> None:
        self._inner.close()


def arm(job: Job, transport: Transport) -> None:  # noqa: C901 - one case for each point
    """Make this process end by SIGKILL when it comes to `job.point` for the `job.nth` time."""
    reached = 0

    def here(doing: str) -> None:
        nonlocal reached
        reached += 1
        if reached == job.nth:
            deaths = os.open(job.deaths, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(deaths, f"{job.point}\t{doing}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    intend, progress, settle = Ledger.intend, Ledger.progress, Ledger.settle

    def before_intent(self: Ledger, operation: Any, step: str) -> Any:
        here(step)
        return intend(self, operation, step)

    def before_ack(self: Ledger, operation: Any, step: str) -> Any:
        here(step)
        return progress(self, operation, step)

    def around_settle(self: Ledger, operation: Any, outcome: Any, **more: Any) -> None:
        if job.point == "after_ack" and outcome.state is OperationState.DONE:
            here(operation.source_kind)
        settle(self, operation, outcome, **more)
        if job.point == "after_settle":
            here(operation.source_kind)

    match job.point:
        case "before_intent":
            Ledger.intend = before_intent
        case "after_intent":
            transport.before = here
        case "during_call":
            transport.sent = here
        case "after_call":
            transport.after = here
        case "before_ack":
            Ledger.progress = before_ack
        case "after_ack" | "after_settle":
            Ledger.settle = around_settle
