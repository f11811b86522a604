"""A Krayin limiter and workers on one made-up clock, over the real SQL of the rate budget."""

from __future__ import annotations

import heapq
import itertools
import uuid
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

import psycopg
from krayin.permits import Lane, LimitFeedback, Permit
from krayin.rate_limiter import RateBudget
from reconciliation.migrations import upgrade

from tests.krayin.budget_state import state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EPOCH = datetime(2026, 5, 5, 10, tzinfo=UTC)
# A session's own clock, so that minutes pass in milliseconds.
MADE_UP_CLOCK = """
CREATE OR REPLACE FUNCTION krayin_sync.rate_budget_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS
$$ SELECT current_setting('test.now')::timestamptz $$
"""


def prepare(url: str, *, made_up_clock: bool = False) -> None:
    """Create the sync database's tables in an empty database."""
    upgrade(url)
    if made_up_clock:
        with psycopg.connect(url) as connection:
            connection.execute(MADE_UP_CLOCK)


class FixedWindow:
    """Laravel's limiter: a window opens with the first call after the last one ended; refused calls do not count."""

    def __init__(self, limit: int, window: float = 60.0) -> None:
        self.limit = limit
        self.window = window
        self.ends = float("-inf")
        self.count = 0

    def hit(self, now: float, *, debug: bool = True) -> LimitFeedback:
        """Count a call that arrives at `now` seconds and return what its answer says."""
        if now >= self.ends:
            self.ends = now + self.window
            self.count = 0
        if self.count >= self.limit:
            if not debug:
                return LimitFeedback(refused=True)
            return LimitFeedback(self.limit, 0, refused=True, retry_after=float(int(self.ends - now)))
        self.count += 1
        return LimitFeedback(self.limit, self.limit - self.count)


class NoLimit:
    """Krayin 2.2: no limiter and not a word of one; some calls fail, as a bare 500."""

    window = 60.0

    def __init__(self, failing: Callable[[], bool] = lambda: False) -> None:
        self.failing = failing

    def hit(self, now: float, *, debug: bool = True) -> LimitFeedback:
        """Return what an answer says."""
        return LimitFeedback(failed=self.failing())


class RemovalAction(Enum):
    """How a call ends for its worker."""

    ANSWERED = auto()
    ANSWER_LOST = auto()  # counted, then a timeout
    DIED_BEFORE = auto()  # the worker died with a permit, and made no call
    DIED_AFTER = auto()  # the worker died while the server counted its call


@dataclass
class Call:
    """One call of ours as the server saw it, in seconds of the made-up clock."""

    lane: Lane
    worker: int
    asked: float
    granted: float
    counted: float
    answer: LimitFeedback


@dataclass
class World:
    """Runs workers, other programs and clock jumps in the order of a made-up clock."""

    url: str
    limit: int
    server: FixedWindow | NoLimit
    auto: bool = False
    setting: int | None = None
    latency: Callable[[], float] = lambda: 0.05
    poll: float = 1.0
    credit: float = 0.25
    call_timeout: float = 35.0
    debug: bool = True
    fate: Callable[[], RemovalAction] = lambda: RemovalAction.ANSWERED
    key: str = "krayin#1"
    now: float = 0.0
    skew: float = 0.0
    at_once: int = 0
    took: list[tuple[float, float]] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    foreign: list[tuple[float, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._connection = psycopg.connect(self.url, autocommit=True)
        self._budgets: dict[Lane, RateBudget] = {}

    def close(self) -> None:
        self._connection.close()

    def budget(self, lane: Lane) -> RateBudget:
        if lane not in self._budgets:
            self._budgets[lane] = RateBudget(
                lambda: self._connection,
                self.key,
                requests_per_minute=self.setting or self.limit,
                lane=lane,
                auto=self.auto,
                window=self.server.window,
                poll=self.poll,
                credit=self.credit,
                call_timeout=self.call_timeout,
            )
        return self._budgets[lane]

    def at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (when, next(self._order), action))

    def run(self, until: float) -> None:
        while self._agenda and self._agenda[0][0] <= until:
            self.now, _, action = heapq.heappop(self._agenda)
            action()
        self.now = until

    def tick(self) -> None:
        """Tell the database what time it is."""
        moment = EPOCH + timedelta(seconds=self.now + self.skew)
        self._connection.execute("SELECT set_config('test.now', %s, false)", (moment.isoformat(),))

    def ask(self, lane: Lane, ticket: uuid.UUID) -> Permit | float:
        self.tick()
        return self.budget(lane).ask(ticket)

    def settle(self, lane: Lane, permit: Permit, answer: LimitFeedback | None) -> None:
        self.tick()
        self.budget(lane).settle(permit, answer)

    def state(self) -> Any:
        self.tick()
        return state_of(self._connection, self.key)

    def worker(
        self,
        lane: Lane,
        *,
        start: float = 0.0,
        stop: float = float("inf"),
        calls: int | None = None,
        number: int = 0,
    ) -> None:
        """Make calls one after the other from `start` until `stop` or `calls` are made."""
        left = itertools.count() if calls is None else iter(range(calls))

        def begin() -> None:
            if self.now < stop and next(left, None) is not None:
                poll(uuid.uuid4(), self.now)

        def poll(ticket: uuid.UUID, asked: float) -> None:
            turn = self.ask(lane, ticket)
            if isinstance(turn, Permit):
                self._call(lane, number, asked, turn, begin)
            else:
                self.at(self.now + turn, lambda: poll(ticket, asked))

        self.at(start, begin)

    def _call(self, lane: Lane, number: int, asked: float, permit: Permit, then: Callable[[], None]) -> None:
        self.at_once += 1
        latency, fate, granted = self.latency(), self.fate(), self.now

        def arrive() -> None:
            answer = self.server.hit(self.now, debug=self.debug)
            self.calls.append(Call(lane, number, asked, granted, self.now, answer))
            if fate is RemovalAction.ANSWERED:
                good = not answer.refused and not answer.failed
                said = replace(answer, route="POST leads", seconds=latency if good else None)
                self.at(granted + latency, lambda: done(said))
            elif fate is RemovalAction.ANSWER_LOST:
                self.at(granted + self.call_timeout, lambda: done(None))
            else:
                # Somebody starts the dead worker anew.
                self.at(granted + 1, then)

        def done(answer: LimitFeedback | None) -> None:
            self.at_once -= 1
            self.took.append((self.now, latency))
            self.settle(lane, permit, answer)
            then()

        if fate is RemovalAction.DIED_BEFORE:
            self.at(granted + 1, then)
        else:
            self.at(granted + latency * 0.4, arrive)

    def other_program(self, times: Iterator[float]) -> None:
        """Make calls with the same API user, unknown to the budget, at the given times."""

        def hit() -> None:
            self.foreign.append((self.now, self.server.hit(self.now).refused))
            follow()

        def follow() -> None:
            when = next(times, None)
            if when is not None:
                self.at(when, hit)

        follow()

    def refused(self, since: float = 0.0) -> int:
        return sum(call.answer.refused for call in self.calls if call.counted >= since)

    def made(self, since: float, until: float, lane: Lane | None = None) -> int:
        """Count our calls that the server took in [since, until)."""
        return sum(
            not call.answer.refused and since <= call.counted < until and lane in (None, call.lane)
            for call in self.calls
        )

    def fullest_window(self) -> int:
        """Return the most calls of ours in any window, wherever it begins."""
        return fullest(sorted(call.counted for call in self.calls), self.server.window)

    def per_lane(self) -> Counter[Lane]:
        return Counter(call.lane for call in self.calls)

    def waits(self, lane: Lane) -> list[float]:
        return [call.granted - call.asked for call in self.calls if call.lane is lane]


def fullest(times: list[float], window: float) -> int:
    """Return the most of the ascending `times` that lie in one half-open span of `window` seconds."""
    most = first = 0
    for last, time in enumerate(times):
        while times[first] <= time - window:
            first += 1
        most = max(most, last - first + 1)
    return most


def lanes_in_order(calls: list[Call]) -> dict[Lane, list[int]]:
    """Return for each lane the places (0-based) of its calls in the order of grants."""
    places: dict[Lane, list[int]] = defaultdict(list)
    for place, call in enumerate(sorted(calls, key=lambda call: call.granted)):
        places[call.lane].append(place)
    return places
