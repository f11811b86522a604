"""The calls of one Krayin API user, shared by all processes through PostgreSQL."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import psycopg
from psycopg.rows import dict_row
from statements import statement
from tenacity import (
    Retrying,
    retry_if_exception_type,
    retry_if_not_exception_type,
    stop_after_delay,
    wait_exponential,
    wait_random,
)

from krayin.permits import Lane, LimitFeedback, Permit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

logger = logging.getLogger(__name__)

# A waiter that did not ask again so long after it was due is taken for dead.
WAITER_GRACE = 1.0
UNHEARD = 60
"""Calls a minute that `auto` begins with; Krayin 2.1 is shipped with this limit."""

# Settling may be given up sooner than acquiring: an unsettled permit only stays taken a little longer.
SETTLE_PATIENCE = 10.0


class BudgetUnavailable(ConnectionError):  # noqa: N818 - named by how one recovers
    """The sync database could not be reached for so long that waiting on makes no sense."""

    def __init__(self, key: str, waited: float, reason: str) -> None:
        self.key = key
        self.waited = waited
        self.reason = reason
        super().__init__(
            f"{key}: the sync database did not answer for {waited:.0f} s ({reason}). Check that PostgreSQL "
            "runs and that the connection of the sync database is right; then run again."
        )


@dataclass(frozen=True, slots=True)
class BudgetState:
    """What a budget allows: `limit` calls per window.

    That is the lower of `setting` and `server_limit` (what the server last reported; None when it says
    none), on `auto` and without such a limit what its answers allow.
    """

    limit: int
    auto: bool
    setting: int
    server_limit: int | None


class RateBudget:
    """Grants the calls of one API user to one lane; any number of these share the limit.

    Krayin (Laravel) counts a fixed window of 60 s from the first call after the previous window.
    Each call takes one of `requests_per_minute` permits and holds it until 60 s after its answer,
    so that no 60 seconds, wherever they begin, hold more calls than permits. All state and the only
    clock are PostgreSQL's (`include/sql/functions/rate_budget.sql`).

    Args:
        connect: opens a psycopg connection to the sync database; called again after a lost one.
        key: names the API user, for example `https://crm.example.com#user:1`; never the token.
        requests_per_minute: the configured limit; the server's own lower word wins.
        auto: take that for a ceiling, below which a server that says no limit sets the pace by how
            quickly it answers: from 60 up while it does, down when it slows down or fails.
        lane: whose calls these are.
        call_timeout: seconds after which a call is certainly over. A worker that dies costs one
            permit for this time plus one window.
        window: seconds of the server's window.
        poll: longest pause between two questions of a waiter, in seconds.
        credit: how much lateness, in seconds, the even pace of the lanes below live makes up for.
        patience: seconds to keep trying to reach a lost database.
        sleep: called with seconds.

    One object keeps one connection and may be shared by threads.
    """

    def __init__(  # noqa: PLR0913 - settings of one kind, all but three with defaults
        self,
        connect: Callable[[], psycopg.Connection[Any]],
        key: str,
        *,
        requests_per_minute: int,
        lane: Lane,
        auto: bool = False,
        call_timeout: float = 35.0,
        window: float = 60.0,
        poll: float = 0.25,
        credit: float = 0.25,
        patience: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if requests_per_minute < 1:
            message = f"requests_per_minute must be at least 1, not {requests_per_minute}"
            raise ValueError(message)
        self.key = key
        self.lane = lane
        self._connect = connect
        self._patience = patience
        self._sleep = sleep
        self._question: dict[str, Any] = {
            "key": key,
            "lane": int(lane),
            "setting": requests_per_minute,
            "auto": auto,
            "window": window,
            "call_timeout": call_timeout,
            "credit": credit,
            "poll": poll,
            "grace": WAITER_GRACE,
        }
        self._connection: psycopg.Connection[Any] | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"RateBudget({self.key!r}, {self.lane.name})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def acquire(self) -> Permit:
        """Wait until a call may be made and return leave to make it now.

        Raises:
            BudgetUnavailable: the sync database stayed unreachable.
        """
        ticket = uuid.uuid4()
        granted = False
        try:
            while True:
                turn = self.ask(ticket)
                if isinstance(turn, Permit):
                    granted = True
                    return turn
                self._sleep(turn)
        finally:
            if not granted:
                self._leave(ticket)

    def acquire_now(self) -> Permit | float:
        """Return a permit if one is free, else the seconds after which to ask again, at most `poll`.

        Raises:
            BudgetUnavailable: the sync database stayed unreachable.
        """
        ticket = uuid.uuid4()
        turn = self.ask(ticket)
        if not isinstance(turn, Permit):
            self._leave(ticket)
        return turn

    def ask(self, ticket: uuid.UUID) -> Permit | float:
        """Return a permit if it is this waiter's turn, else the seconds after which to ask again.

        The building block of `acquire`, for callers with a loop of their own; `ticket` names one wait.

        Raises:
            BudgetUnavailable: the sync database stayed unreachable.
        """
        row = self._run("rate_budget/acquire", {**self._question, "ticket": ticket}, self._patience)
        assert row is not None
        if row["wait_seconds"] is not None:
            return float(row["wait_seconds"])
        return Permit(row["slot_number"], row["slot_fence"], row["granted_at"])

    def settle(self, permit: Permit, answer: LimitFeedback | None) -> None:
        """Say how the call ended; `None` when no answer came, for the server may count it yet.

        Pass what the limiter of the API user said only: routes with a limit of their own (deleting
        persons) report that one in the same headers. Never raises for a database that is away:
        the permit then frees itself after the call timeout and one window.
        """
        facts = {
            "key": self.key,
            "number": permit.number,
            "fence": permit.fence,
            "answered": answer is not None,
            **asdict(answer or LimitFeedback()),
        }
        try:
            row = self._run("rate_budget/settle", facts, min(SETTLE_PATIENCE, self._patience))
        except BudgetUnavailable as away:
            # The call is made: its outcome matters more than its permit.
            logger.warning(
                "Permit %d of %s could not be given back: %s", permit.number, self.key, away.reason
            )
            return
        if row is not None and not row["held"]:
            logger.warning(
                "Permit %d of %s was given back too late: call_timeout must be longer than any call.",
                permit.number,
                self.key,
            )

    def near_limit(self) -> bool:
        """Tell whether the limit explains a refusal of a call that has not been settled yet.

        True when, in the server's present window, anybody was told that nothing is left, or was
        refused, or when our calls under way and those that other programs make at their usual
        pace could have used up the rest. Helps to tell Krayin's HTTP 500 for a refused call
        (APP_DEBUG=false: no headers) from any other. False when the sync database is away: a
        call is repeated on the strength of a yes.
        """
        try:
            row = self._run("rate_budget/near_limit", {"key": self.key}, min(SETTLE_PATIENCE, self._patience))
        except BudgetUnavailable:
            return False
        return row is not None and bool(row["near"])

    def state(self) -> BudgetState | None:
        """Return what the budget allows now, or None when nobody has used it yet."""
        row = self._run("rate_budget/state", {"key": self.key}, self._patience)
        return None if row is None else BudgetState(**row)

    def close(self) -> None:
        """Close the connection; the next use opens a new one."""
        with self._lock:
            self._hang_up()

    def _leave(self, ticket: uuid.UUID) -> None:
        # Good manners only, so one try: a waiter that stays silent is forgotten soon anyway.
        with self._lock, contextlib.suppress(psycopg.Error):
            if self._connection is not None and not self._connection.closed:
                self._connection.execute(statement("rate_budget/leave"), {"key": self.key, "ticket": ticket})

    def _run(self, name: str, parameters: Mapping[str, Any], patience: float) -> dict[str, Any] | None:
        tries = Retrying(
            # A full disk is not emptied by waiting.
            retry=retry_if_exception_type((psycopg.OperationalError, psycopg.InterfaceError))
            & retry_if_not_exception_type(psycopg.errors.DiskFull),
            wait=wait_exponential(multiplier=0.05, max=2.0) + wait_random(0, 0.2),
            stop=stop_after_delay(patience),
            sleep=self._sleep,
            reraise=True,
        )
        begun = time.monotonic()
        try:
            return tries(self._once, name, parameters)
        except (psycopg.OperationalError, psycopg.InterfaceError) as away:
            raise BudgetUnavailable(self.key, time.monotonic() - begun, type(away).__name__) from away

    def _once(self, name: str, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        with self._lock:
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = self._connect()
                    self._connection.autocommit = True
                with self._connection.cursor(row_factory=dict_row) as cursor:
                    return cursor.execute(statement(name), parameters).fetchone()
            except (psycopg.OperationalError, psycopg.InterfaceError):
                # Asking again after a lost answer may waste the permit it granted, never make one too many.
                self._hang_up()
                raise

    def _hang_up(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
            self._connection = None
