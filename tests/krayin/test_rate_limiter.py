"""What one process sees of the rate budget: permits, waits, lost databases."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from krayin.permits import Lane, LimitFeedback, Permit, RateLimiter
from krayin.rate_limiter import BudgetState, BudgetUnavailable, RateBudget

from stack.postgres import Cluster
from tests.krayin.budget_state import state_of
from tests.krayin.budget_world import FixedWindow, prepare
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def url(database_url: str) -> str:
    prepare(database_url)
    return database_url


@pytest.fixture
def state(url: str) -> Callable[[], Any]:
    def look() -> Any:
        with psycopg.connect(url) as connection:
            return state_of(connection)

    return look


@pytest.fixture
def open_budget(url: str) -> Iterator[Callable[..., RateBudget]]:
    opened: list[RateBudget] = []

    def make(limit: int = 3, lane: Lane = Lane.LIVE, **options: object) -> RateBudget:
        opened.append(
            RateBudget(
                lambda: psycopg.connect(url), "krayin#1", requests_per_minute=limit, lane=lane, **options
            )
        )
        return opened[-1]

    yield make
    for budget in opened:
        budget.close()


def test_it_is_a_pacer(open_budget: Callable[..., RateBudget]) -> None:
    limiter: RateLimiter = open_budget()
    limiter.settle(limiter.acquire(), LimitFeedback(60, 59))


def test_slots_differ_and_carry_the_databases_clock(open_budget: Callable[..., RateBudget], url: str) -> None:
    budget = open_budget()
    permits = []
    for remaining in (2, 1, 0):
        permits.append(budget.acquire())
        budget.settle(permits[-1], LimitFeedback(3, remaining))
    assert len({permit.number for permit in permits}) == 3
    assert [permit.fence for permit in permits] == [1, 2, 3]
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    assert permits[0].granted_at < permits[1].granted_at < permits[2].granted_at < row[0]


def test_a_clients_clock_does_not_matter(
    open_budget: Callable[..., RateBudget], monkeypatch: pytest.MonkeyPatch
) -> None:
    grants = []
    for skew in (0.0, 3e7, -3e7):
        monkeypatch.setattr("time.time", lambda skew=skew: 1.8e9 + skew)
        budget = open_budget()
        permit = budget.acquire()
        budget.settle(permit, LimitFeedback())
        grants.append(permit.granted_at)
    assert grants == sorted(grants)
    assert not isinstance(open_budget().acquire_now(), Permit)


def test_asking_for_what_is_not_free_leaves_no_waiter(
    open_budget: Callable[..., RateBudget], state: Callable[[], Any]
) -> None:
    budget = open_budget(1)
    budget.settle(budget.acquire(), LimitFeedback(1, 0))
    assert not isinstance(budget.acquire_now(), Permit)
    assert state().waiting[Lane.LIVE] == 0


def test_an_interrupted_wait_leaves_no_waiter(
    open_budget: Callable[..., RateBudget], state: Callable[[], Any]
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    budget = open_budget(1, sleep=interrupt)
    budget.acquire()
    with pytest.raises(KeyboardInterrupt):
        budget.acquire()
    assert state().waiting[Lane.LIVE] == 0


def test_the_state_shows_limits_use_and_waiters(
    open_budget: Callable[..., RateBudget], state: Callable[[], Any]
) -> None:
    budget = open_budget(2)
    assert (state(), budget.state()) == (None, None)
    budget.settle(budget.acquire(), LimitFeedback(60, 50))
    budget.acquire()
    waited = []

    def look(_: float) -> None:
        waited.append(state())
        raise TimeoutError

    with pytest.raises(TimeoutError):
        open_budget(2, Lane.DRIFT, sleep=look).acquire()
    seen = waited[0]
    assert budget.state() == BudgetState(limit=2, auto=False, setting=2, server_limit=60)
    assert (seen.limit, seen.setting, seen.server_limit, seen.window) == (2, 2, 60, 60.0)
    assert (seen.used, seen.in_flight, seen.foreign, seen.blocked_until) == (2, 1, 9, None)
    assert seen.waiting == {lane: int(lane is Lane.DRIFT) for lane in Lane}


def test_a_slot_given_back_twice_or_by_a_stranger_changes_nothing(
    open_budget: Callable[..., RateBudget], state: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    budget = open_budget(2)
    permit = budget.acquire()
    budget.settle(permit, None)
    with caplog.at_level(logging.WARNING):
        budget.settle(permit, LimitFeedback(2, 0, refused=True, retry_after=30))
    assert "given back too late" in caplog.text
    assert state().blocked_until is None


def test_of_two_settings_the_lower_one_counts(open_budget: Callable[..., RateBudget]) -> None:
    for setting in (5, 2):
        budget = open_budget(setting)
        budget.settle(budget.acquire(), LimitFeedback())
    assert not isinstance(open_budget(5).acquire_now(), Permit)
    assert open_budget(5).state().limit == 2


def test_api_users_do_not_share(open_budget: Callable[..., RateBudget], url: str) -> None:
    open_budget(1).acquire()
    with RateBudget(
        lambda: psycopg.connect(url), "krayin#2", requests_per_minute=1, lane=Lane.DRIFT
    ) as other:
        assert isinstance(other.acquire_now(), Permit)


def test_no_limit_below_one() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        RateBudget(psycopg.connect, "krayin#1", requests_per_minute=0, lane=Lane.LIVE)


def test_no_connection_secret_is_shown(open_budget: Callable[..., RateBudget]) -> None:
    assert repr(open_budget()) == "RateBudget('krayin#1', LIVE)"


def test_no_transaction_stays_open_between_calls(open_budget: Callable[..., RateBudget], url: str) -> None:
    budget = open_budget()
    budget.acquire()
    with psycopg.connect(url) as connection:
        states = connection.execute(
            "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        ).fetchall()
    assert states == [("idle",)]


def test_a_lost_connection_is_opened_again(
    open_budget: Callable[..., RateBudget], state: Callable[[], Any], url: str
) -> None:
    budget = open_budget()
    permit = budget.acquire()
    for use in (lambda: budget.settle(permit, LimitFeedback(3, 2)), budget.acquire, budget.state):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        use()
    assert (state().used, state().in_flight) == (2, 1)


def test_a_database_that_stays_away_ends_the_wait_but_never_a_settlement(
    open_budget: Callable[..., RateBudget], url: str, caplog: pytest.LogCaptureFixture
) -> None:
    tried = []

    def connect() -> psycopg.Connection[object]:
        tried.append(1)
        if len(tried) > 1:
            message = "host secret.example.com is down"
            raise psycopg.OperationalError(message)
        return psycopg.connect(url)

    budget = RateBudget(connect, "krayin#1", requests_per_minute=3, lane=Lane.LIVE, patience=0.2)
    permit = budget.acquire()
    budget.close()
    budget.settle(permit, LimitFeedback(3, 2))
    assert "could not be given back" in caplog.text
    assert budget.near_limit() is False
    with pytest.raises(BudgetUnavailable, match="did not answer for") as caught:
        budget.acquire()
    assert isinstance(caught.value, ConnectionError)
    assert "secret" not in str(caught.value) + caplog.text
    assert len(tried) > 4


def test_a_full_disk_is_not_waited_for() -> None:
    tried: list[int] = []

    def connect() -> psycopg.Connection:
        tried.append(1)
        raise psycopg.errors.DiskFull

    budget = RateBudget(connect, "krayin#1", requests_per_minute=3, lane=Lane.LIVE)
    with pytest.raises(BudgetUnavailable, match="DiskFull") as caught:
        budget.acquire()
    assert isinstance(caught.value.__cause__, psycopg.errors.DiskFull)
    assert len(tried) == 1


@pytest.mark.database
def test_a_restart_of_postgresql_is_survived(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "data", free_port(), "tests", {"fsync": "off"})
    tmp_path.chmod(0o755)
    cluster.start()
    try:
        prepare(cluster.dsn())
        server, guard = FixedWindow(20, 2.0), threading.Lock()
        refused: list[bool] = []
        restarted = threading.Event()

        def work() -> None:
            import time

            with RateBudget(
                lambda: psycopg.connect(cluster.dsn()),
                "krayin#1",
                requests_per_minute=20,
                lane=Lane.SCHEDULED,
                window=2.0,
                call_timeout=1.0,
            ) as budget:
                after = 0
                while after < 10:
                    permit = budget.acquire()
                    with guard:
                        answer = server.hit(time.monotonic())
                        refused.append(answer.refused)
                    budget.settle(permit, answer)
                    after += restarted.is_set()

        workers = [threading.Thread(target=work) for _ in range(2)]
        for worker in workers:
            worker.start()
        while len(refused) < 5:
            restarted.wait(0.05)
        cluster.stop("immediate")
        cluster.start()
        restarted.set()
        for worker in workers:
            worker.join(60)
        assert not any(worker.is_alive() for worker in workers)
        assert len(refused) >= 20
        assert not any(refused)
    finally:
        cluster.stop("immediate")
