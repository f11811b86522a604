"""The laws of the rate budget, over minutes of a made-up clock and the real SQL."""

from __future__ import annotations

import itertools
import random
import uuid
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from krayin.permits import Lane, LimitFeedback, Permit

from tests.krayin.budget_world import FixedWindow, RemovalAction, World, fullest, lanes_in_order, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def url(new_database: Callable[[str], str]) -> str:
    made = new_database("budget")
    prepare(made, made_up_clock=True)
    return made


@pytest.fixture
def world(url: str) -> Iterator[Callable[..., World]]:
    """Make worlds whose budgets do not know each other."""
    made: list[World] = []

    def make(
        limit: int = 60, *, window: float = 60.0, server_limit: int | None = None, **options: object
    ) -> World:
        server = FixedWindow(server_limit or limit, window)
        made.append(World(url, limit, server, key=f"krayin#{uuid.uuid4()}", **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def jitter(mean: float, seed: int = 1) -> Callable[[], float]:
    numbers = random.Random(seed)
    return lambda: mean * numbers.uniform(0.5, 2.0)


def every(seconds: float, *, start: float = 0.0, stop: float = float("inf")) -> Iterator[float]:
    return itertools.takewhile(lambda when: when < stop, itertools.count(start, seconds))


# --- never more than the limit, and nearly all of it


@pytest.mark.parametrize("lane", [Lane.LIVE, Lane.BACKFILL])
@pytest.mark.parametrize(("limit", "workers", "window"), [(60, 1, 60), (60, 8, 60), (300, 8, 6)])
def test_all_of_the_rate_is_used_and_none_refused(
    world: Callable[..., World], limit: int, workers: int, window: int, lane: Lane
) -> None:
    w = world(limit, window=window, latency=jitter(0.04))
    for number in range(workers):
        w.worker(lane, number=number)
    w.run(3 * window)
    assert w.refused() == 0
    assert w.fullest_window() <= limit
    # A window of 6 s makes the answer's delay count ten times as much.
    assert w.made(window, 3 * window) >= (0.99 if window == 60 else 0.97) * 2 * limit
    assert w.state().foreign == 0


def test_one_slow_worker_after_the_other_is_limited_by_the_answers_only(world: Callable[..., World]) -> None:
    w = world(60, latency=lambda: 0.8)
    w.worker(Lane.SCHEDULED)
    w.run(300)
    assert w.refused() == 0
    assert w.made(60, 300) >= 0.98 * 240


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32),
    limit=st.integers(1, 12),
    workers=st.lists(st.sampled_from(list(Lane)), min_size=1, max_size=6),
    window=st.sampled_from([3.0, 10.0]),
)
def test_no_window_holds_more_calls_than_the_limit_whatever_happens_to_workers(
    world: Callable[..., World], seed: int, limit: int, workers: list[Lane], window: float
) -> None:
    numbers = random.Random(seed)
    w = world(
        limit,
        window=window,
        latency=lambda: numbers.choice([0.01, 0.05, 0.7, 1.9]) * numbers.uniform(0.5, 1),
        fate=lambda: numbers.choices(list(RemovalAction), [8, 1, 1, 1])[0],
        call_timeout=2.0,
    )
    for number, lane in enumerate(workers):
        w.worker(lane, number=number, start=numbers.uniform(0, 2 * window))
    for _ in range(numbers.randint(0, 3)):
        when, back = numbers.uniform(0, 4 * window), numbers.uniform(0, 3 * window)
        w.at(when, lambda back=back: setattr(w, "skew", w.skew - back))
    w.run(4 * window)
    assert w.refused() == 0
    assert w.fullest_window() <= limit


@given(times=st.lists(st.integers(0, 40), max_size=30), window=st.integers(1, 20))
def test_the_fullest_window_is_the_largest_count_over_all_starts(times: list[int], window: int) -> None:
    times.sort()
    counts = [sum(start <= time < start + window for time in times) for start in range(-20, 41)]
    assert fullest([float(time) for time in times], window) == max(counts)


# --- lanes


def test_live_calls_wait_one_interval_behind_a_backfill(world: Callable[..., World]) -> None:
    w = world(60, latency=jitter(0.05))
    for number in range(6):
        w.worker(Lane.BACKFILL, number=number)
    for call in range(30):
        w.worker(Lane.LIVE, start=75 + 4.3 * call, calls=1, number=100 + call)
    w.run(210)
    assert len(w.waits(Lane.LIVE)) == 30
    assert max(w.waits(Lane.LIVE)) <= 1.3
    assert w.made(60, 180) >= 0.99 * 120


def test_lower_lanes_are_paced_and_leave_live_calls_a_burst(world: Callable[..., World]) -> None:
    w = world(60, latency=jitter(0.05))
    for number in range(4):
        w.worker(Lane.BACKFILL, number=number)
    for number in range(8):
        w.worker(Lane.LIVE, start=20, calls=3, number=100 + number)
    w.run(60)
    assert w.made(0, 20) <= 22
    # After a silence a few calls ask first; here the server has answered lately.
    assert max(w.waits(Lane.LIVE)) <= 1
    # The burst is paid for by the lanes below, so that the next one finds room again.
    assert w.made(20.5, 40, Lane.BACKFILL) <= 3
    assert w.refused() == 0


def test_the_highest_lane_waiting_goes_first_and_every_lane_gets_one_in_ten(
    world: Callable[..., World],
) -> None:
    w = world(60, latency=jitter(0.05))
    for lane in Lane:
        for number in range(2):
            w.worker(lane, number=number)
    w.run(180)
    places = lanes_in_order([call for call in w.calls if call.granted > 60])
    for lane in Lane:
        gaps = [later - earlier for earlier, later in itertools.pairwise(places[lane])]
        assert max(gaps) <= 10
    shares = {lane: len(of) / sum(map(len, places.values())) for lane, of in places.items()}
    assert shares[Lane.LIVE] >= 0.58
    assert w.made(60, 180) >= 0.99 * 120


def test_without_live_calls_the_highest_lane_gets_nine_in_ten(world: Callable[..., World]) -> None:
    w = world(60)
    for lane in (Lane.SCHEDULED, Lane.DRIFT):
        for number in range(2):
            w.worker(lane, number=number)
    w.run(130)
    places = lanes_in_order(w.calls)
    assert max(b - a for a, b in itertools.pairwise(places[Lane.DRIFT])) <= 10
    assert len(places[Lane.SCHEDULED]) >= 8.5 * len(places[Lane.DRIFT])


def test_a_waiter_that_died_is_forgotten(world: Callable[..., World]) -> None:
    w = world(1, window=10.0)
    w.worker(Lane.LIVE, calls=1)
    w.run(1)
    assert isinstance(w.ask(Lane.LIVE, uuid.uuid4()), float)
    assert w.state().waiting[Lane.LIVE] == 1
    w.worker(Lane.DRIFT, start=10, calls=1)
    w.run(14)
    assert w.state().waiting[Lane.LIVE] == 0
    assert w.waits(Lane.DRIFT)[0] <= 2


# --- crashes


@pytest.mark.parametrize(
    "fate", [RemovalAction.DIED_BEFORE, RemovalAction.DIED_AFTER, RemovalAction.ANSWER_LOST]
)
def test_a_lost_call_costs_one_slot_for_its_timeout_and_a_window(
    world: Callable[..., World], fate: RemovalAction
) -> None:
    fates = iter([fate])
    w = world(1, call_timeout=35.0, fate=lambda: next(fates, RemovalAction.ANSWERED))
    w.worker(Lane.LIVE)
    w.run(94.9)
    assert len(w.calls) == (fate is not RemovalAction.DIED_BEFORE)
    w.run(96)
    assert len(w.calls) == 1 + (fate is not RemovalAction.DIED_BEFORE)
    assert w.refused() == 0


def test_calls_without_answer_are_not_taken_for_another_programs(world: Callable[..., World]) -> None:
    numbers = random.Random(4)
    w = world(60, call_timeout=5.0, fate=lambda: numbers.choices(list(RemovalAction), [6, 1, 1, 1])[0])
    for number in range(4):
        w.worker(Lane.SCHEDULED, number=number)
    for until in range(10, 150, 10):
        w.run(until)
        assert w.state().foreign == 0


# --- other programs with the same API user


@pytest.mark.parametrize("period", [1.5, 3.0, 7.0])
def test_what_another_program_leaves_is_used_and_none_refused(
    world: Callable[..., World], period: float
) -> None:
    w = world(60, latency=jitter(0.05), debug=False)
    for number in range(4):
        w.worker(Lane.BACKFILL, number=number)
    w.other_program(every(period, start=1.7, stop=240))
    w.run(360)
    theirs = sum(60 <= when < 240 and not refused for when, refused in w.foreign)
    assert w.refused() == 0
    assert w.made(60, 240) >= 0.95 * (180 - theirs)
    # Forgotten within about a window after its last call.
    assert w.made(300, 360) >= 0.97 * 60
    assert w.state().foreign == 0


def test_an_irregular_program_is_left_its_room(world: Callable[..., World]) -> None:
    numbers = random.Random(11)
    w = world(60, latency=jitter(0.2), debug=False)
    for number in range(4):
        w.worker(Lane.SCHEDULED, number=number)
    w.other_program(
        itertools.takewhile(
            lambda t: t < 300, itertools.accumulate(iter(lambda: numbers.expovariate(1 / 4), None))
        )
    )
    w.run(300)
    theirs = sum(60 <= when < 300 and not refused for when, refused in w.foreign)
    assert w.refused() == 0
    assert w.made(60, 300) >= 0.95 * (240 - theirs)


def test_a_sudden_burst_of_another_program_is_seen_at_the_next_answer(world: Callable[..., World]) -> None:
    w = world(60, latency=jitter(0.05))
    w.worker(Lane.SCHEDULED)
    w.other_program(iter([5.5 + i / 1000 for i in range(40)]))
    w.run(7)
    assert w.state().foreign == 40
    w.run(240)
    assert w.refused() == 0
    assert w.made(120, 240) >= 0.97 * 120


def test_after_a_silence_a_burst_asks_before_it_follows(world: Callable[..., World]) -> None:
    # Another program has used up all but five calls, of which nobody here knows.
    w = world(60, latency=jitter(0.1))
    w.other_program(iter([i / 100 for i in range(55)]))
    for number in range(20):
        w.worker(Lane.LIVE, start=10, calls=1, number=number)
    w.run(180)
    assert w.refused() == 0
    assert w.made(0, 180) == 20


def test_a_late_answer_of_the_window_before_is_no_other_program(world: Callable[..., World]) -> None:
    w = world(60)
    for count in range(1, 6):
        permit = w.ask(Lane.LIVE, uuid.uuid4())
        assert isinstance(permit, Permit)
        w.settle(Lane.LIVE, permit, LimitFeedback(60, 60 - count))
        w.now += 1
    w.now = 59.9
    slow = w.ask(Lane.LIVE, uuid.uuid4())
    w.now = 60.1
    quick = w.ask(Lane.LIVE, uuid.uuid4())
    assert isinstance(slow, Permit)
    assert isinstance(quick, Permit)
    w.now = 60.2
    w.settle(Lane.LIVE, quick, LimitFeedback(60, 59))
    w.now = 60.5
    w.settle(Lane.LIVE, slow, LimitFeedback(60, 54))
    assert w.state().foreign == 0


def test_a_worker_that_dies_asking_after_a_silence_holds_nobody_up(world: Callable[..., World]) -> None:
    w = world(10)
    assert isinstance(w.ask(Lane.LIVE, uuid.uuid4()), Permit)
    w.worker(Lane.LIVE, start=0.1, calls=1)
    w.run(5)
    assert 1 <= w.waits(Lane.LIVE)[0] <= 3


def test_a_setting_below_the_servers_limit_leaves_room_that_others_may_use(
    world: Callable[..., World],
) -> None:
    w = world(20, server_limit=60, latency=jitter(0.05))
    w.worker(Lane.SCHEDULED)
    w.other_program(every(2.0, stop=240))
    w.run(240)
    assert w.refused() == 0
    assert w.made(60, 240) >= 0.97 * 60


# --- the server's word


def test_the_servers_lower_limit_counts_at_once(world: Callable[..., World]) -> None:
    w = world(600, server_limit=60, latency=jitter(0.05))
    for number in range(4):
        w.worker(Lane.BACKFILL, number=number)
    w.run(240)
    assert w.state().limit == 60
    assert w.refused() == 0
    assert w.made(120, 240) >= 0.97 * 120


def test_a_limit_lowered_and_raised_while_running(world: Callable[..., World]) -> None:
    w = world(60, latency=jitter(0.05))
    for number in range(2):
        w.worker(Lane.SCHEDULED, number=number)
    w.at(100, lambda: setattr(w.server, "limit", 20))
    w.at(300, lambda: setattr(w.server, "limit", 60))
    w.run(300)
    assert w.state().limit == 20
    assert w.made(180, 300) >= 0.9 * 40
    w.run(540)
    assert w.state().limit == 60
    assert w.refused(180) == 0
    assert w.made(480, 540) >= 0.97 * 60


def test_the_limit_of_another_route_is_not_ours(world: Callable[..., World]) -> None:
    w = world(60)
    for answer in (
        LimitFeedback(60, 59),
        LimitFeedback(100, 99),
        LimitFeedback(100, 0, refused=True, retry_after=3000),
    ):
        permit = w.ask(Lane.LIVE, uuid.uuid4())
        assert isinstance(permit, Permit)
        w.settle(Lane.LIVE, permit, answer)
        w.now += 1
    state = w.state()
    assert (state.server_limit, state.foreign, state.blocked_until) == (60, 0, None)


@pytest.mark.parametrize(
    ("answer", "until"),
    [
        (LimitFeedback(60, 0, refused=True, retry_after=20), 11 + 20 + 1),
        # Without Retry-After: the end of the window that opened with the answer at 10 s.
        (LimitFeedback(refused=True), 10 + 60),
    ],
)
def test_a_refusal_holds_every_lane_back(
    world: Callable[..., World], answer: LimitFeedback, until: float
) -> None:
    w = world(60)
    w.now = 10
    for said in (LimitFeedback(60, 59), answer):
        permit = w.ask(Lane.DRIFT if said.refused else Lane.LIVE, uuid.uuid4())
        assert isinstance(permit, Permit)
        w.settle(Lane.LIVE, permit, said)
        w.now += 1
    for lane in Lane:
        assert isinstance(w.ask(lane, uuid.uuid4()), float)
    w.tick()
    assert w.budget(Lane.LIVE).near_limit()
    w.now = until - 0.01
    assert isinstance(w.ask(Lane.LIVE, uuid.uuid4()), float)
    w.now = until
    assert isinstance(w.ask(Lane.LIVE, uuid.uuid4()), Permit)


def test_near_the_limit_until_the_window_ends(world: Callable[..., World]) -> None:
    w = world(60)

    def near() -> bool:
        w.tick()
        return w.budget(Lane.LIVE).near_limit()

    assert not near()
    w.worker(Lane.LIVE)
    w.run(2)
    assert not near()
    w.run(30)
    assert near()
    w.server.ends = w.now
    w.run(61.5)
    assert not near()


# --- clocks


@pytest.mark.parametrize("jump", [-20.0, -3600.0])
def test_a_clock_that_jumps_back_costs_nothing(world: Callable[..., World], jump: float) -> None:
    w = world(60, latency=jitter(0.05))
    for number in range(4):
        w.worker(Lane.SCHEDULED, number=number)
    w.at(100, lambda: setattr(w, "skew", jump))
    w.run(240)
    assert w.refused() == 0
    assert w.fullest_window() <= 60
    assert w.made(60, 240) >= 0.97 * 180


@pytest.mark.parametrize("jump", [30.0, 86400.0])
def test_a_clock_that_jumps_forward_costs_part_of_two_windows(
    world: Callable[..., World], jump: float
) -> None:
    w = world(60, latency=jitter(0.05))
    for number in range(4):
        w.worker(Lane.LIVE, number=number)
    w.at(100, lambda: setattr(w, "skew", jump))
    w.run(360)
    # At most the few calls that ask first.
    assert w.refused() <= 3
    assert w.made(240, 360) >= 0.97 * 120
