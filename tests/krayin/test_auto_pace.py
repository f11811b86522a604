"""`auto`: without a limit the server's answers set the pace, over minutes of a made-up clock and the real SQL."""

from __future__ import annotations

import itertools
import random
import uuid
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from krayin.permits import Lane, LimitFeedback, Permit

from tests.krayin.budget_world import FixedWindow, NoLimit, RemovalAction, World, lanes_in_order, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CEILING = 1200


@pytest.fixture(scope="module")
def url(new_database: Callable[[str], str]) -> str:
    made = new_database("auto")
    prepare(made, made_up_clock=True)
    return made


@pytest.fixture
def world(url: str) -> Iterator[Callable[..., World]]:
    """Make worlds on auto whose budgets do not know each other."""
    made: list[World] = []

    def make(server: FixedWindow | NoLimit, ceiling: int = CEILING, **options: object) -> World:
        made.append(World(url, ceiling, server, auto=True, key=f"krayin#{uuid.uuid4()}", **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def crowded(w: World, seconds: float, at_once: Callable[[], int]) -> Callable[[], float]:
    """Latency of a server that bears so many calls at once; with more, each takes longer in proportion."""
    numbers = random.Random(7)
    return lambda: seconds * max(1.0, w.at_once / at_once()) * numbers.uniform(0.8, 1.25)


def made_by(w: World, answer: LimitFeedback | None, lane: Lane = Lane.SCHEDULED) -> None:
    """Make one call that ends so, in no time."""
    permit = w.ask(lane, uuid.uuid4())
    assert isinstance(permit, Permit)
    w.settle(lane, permit, answer)


QUICK = LimitFeedback(route="POST leads", seconds=0.02)


def grown(w: World, pace: int) -> None:
    """Let the server answer quickly until it has allowed so much."""
    limit = 60
    while limit < pace:
        made_by(w, QUICK, Lane.LIVE)
        limit = w.state().limit
        w.now += 60 / limit


# --- the decision alone


@pytest.mark.parametrize(
    ("pace", "made", "slowness", "failed", "then"),
    [
        # Quick, and all of it used: a square root is added.
        (60, 60, [1, 1, 1, 1, 1], False, 120),
        (600, 590, [1.3] * 5, False, 600 + 190),
        # Quick, but nobody wanted more.
        (600, 250, [1] * 5, False, 600),
        # Half as long again; not less than half.
        (600, 600, [1.95] * 5, False, 400),
        (600, 100, [1, 1, 1.95, 3, 3], False, 400),
        (600, 600, [50] * 5, False, 300),
        # One slow answer in five is chance.
        (600, 100, [1, 1, 1, 1, 50], False, 600),
        (600, 600, [1, 1, 1], True, 300),
        (600, 0, [], True, 300),
        (100, 0, [], True, 60),
        (60, 10, [50] * 5, False, 60),
        (1190, 1190, [1] * 5, False, CEILING),
    ],
)
def test_the_next_pace(
    url: str, pace: float, made: float, slowness: list[float], failed: bool, then: int
) -> None:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT krayin_sync.rate_budget_next_pace(%s::float8, %s, %s::float8, %s::real[], %s)",
            (pace, CEILING, made, [float(one) for one in slowness], failed),
        ).fetchone()
    assert row is not None
    assert round(row[0]) == then


# --- without a limit


def test_a_quick_server_is_used_to_the_ceiling_and_never_beyond(world: Callable[..., World]) -> None:
    w = world(NoLimit(), 300, latency=lambda: 0.02)
    for number in range(2):
        w.worker(Lane.BACKFILL, number=number)
    w.run(90)
    assert w.state().limit == 300
    assert w.state().auto
    assert w.fullest_window() <= 300
    assert w.made(30, 90) >= 0.97 * 300


@pytest.mark.parametrize("workers", [6, 12])
def test_a_server_that_bears_four_at_once_is_used_and_stays_quick(
    world: Callable[..., World], workers: int
) -> None:
    w = world(NoLimit(), 20_000)
    w.latency = crowded(w, 0.2, lambda: 4)
    for number in range(workers):
        w.worker(Lane.BACKFILL, number=number)
    w.run(60)
    took = sorted(seconds for when, seconds in w.took if when > 30)
    alone = 0.2 * (0.8 + 0.95 * 0.45)
    assert w.made(30, 60) >= 30 * (4 / 0.2) / 1.3
    assert took[int(0.95 * len(took))] <= 2 * alone


def test_a_server_that_becomes_slower_is_left_alone_and_found_again(world: Callable[..., World]) -> None:
    w = world(NoLimit())
    bears = 4
    w.latency = crowded(w, 0.4, lambda: bears)
    for number in range(6):
        w.worker(Lane.BACKFILL, number=number)
    w.run(40)
    before = w.made(30, 40)
    bears = 1
    w.run(70)
    during = w.made(60, 70)
    bears = 4
    w.run(110)
    assert during <= before / 3
    assert w.made(100, 110) >= 0.8 * before


def test_the_pace_of_a_route_is_its_own(world: Callable[..., World]) -> None:
    # A bulk read that takes a hundred times as long is no slow server.
    w = world(NoLimit())
    answers = itertools.cycle([QUICK] * 4 + [LimitFeedback(route="GET leads", seconds=2.0)])
    for _ in range(200):
        made_by(w, next(answers), Lane.LIVE)
        w.now += 60 / w.state().limit
    assert w.state().limit == CEILING


def test_before_the_first_answer_a_few_ask(world: Callable[..., World]) -> None:
    w = world(NoLimit())
    permits = [w.ask(Lane.LIVE, uuid.uuid4()) for _ in range(20)]
    assert sum(isinstance(permit, Permit) for permit in permits) == 3
    assert w.state().limit == 60


def test_live_calls_run_ahead_of_the_pace_by_a_minutes_calls_only(world: Callable[..., World]) -> None:
    w = world(NoLimit(), latency=lambda: 0.001)
    made_by(w, LimitFeedback(route="POST leads", failed=True))
    w.worker(Lane.LIVE, start=1)
    w.server.failing = lambda: True
    w.run(30)
    # Sixty at once, and one a second.
    assert w.made(0, 30) <= 60 + 30 + 1


@pytest.mark.parametrize(
    "ending", [LimitFeedback(route="POST leads", failed=True), LimitFeedback(refused=True), None]
)
def test_a_failure_halves_the_pace_once_for_all_under_way(
    world: Callable[..., World], ending: LimitFeedback | None
) -> None:
    w = world(NoLimit())
    grown(w, 800)
    before = w.state().limit
    permits = [w.ask(Lane.LIVE, uuid.uuid4()) for _ in range(2)]
    for permit in permits:
        assert isinstance(permit, Permit)
        w.now += 0.01
        w.settle(Lane.LIVE, permit, ending)
    assert w.state().limit == pytest.approx(before / 2, abs=1)


def test_answers_that_say_nothing_of_speed_leave_the_pace(world: Callable[..., World]) -> None:
    w = world(NoLimit())
    for _ in range(50):
        # A rejected content, a record that is missing: right away, and no sign of a server at ease.
        made_by(w, LimitFeedback(route="POST leads"), Lane.LIVE)
        w.now += 1
    assert w.state().limit == 60


def test_bare_failures_never_raise_the_pace_and_never_take_it_below_sixty(
    world: Callable[..., World],
) -> None:
    w = world(NoLimit(failing=lambda: True), latency=lambda: 0.001)
    w.worker(Lane.SCHEDULED)
    w.run(60)
    assert w.state().limit == 60
    assert 58 <= w.made(0, 60) <= 61


def test_rare_failures_do_not_keep_a_server_from_being_used(world: Callable[..., World]) -> None:
    numbers = random.Random(3)
    w = world(NoLimit(failing=lambda: numbers.random() < 0.01), latency=lambda: 0.02)
    for number in range(2):
        w.worker(Lane.BACKFILL, number=number)
    w.run(50)
    assert w.made(20, 50) >= 0.6 * CEILING / 2


def test_a_pause_is_no_sign_that_fewer_calls_are_wanted(world: Callable[..., World]) -> None:
    w = world(NoLimit(), latency=lambda: 0.02)
    for number in range(2):
        w.worker(Lane.SCHEDULED, number=number, stop=30)
        w.worker(Lane.SCHEDULED, number=number, start=600)
    w.run(620)
    assert w.made(605, 620) >= 0.9 * CEILING / 4


def test_lanes_are_kept(world: Callable[..., World]) -> None:
    w = world(NoLimit(), 240, latency=lambda: 0.05)
    for lane in Lane:
        for number in range(2):
            w.worker(lane, number=number)
    w.run(45)
    places = lanes_in_order([call for call in w.calls if call.granted > 15])
    for lane in Lane:
        assert max(later - earlier for earlier, later in itertools.pairwise(places[lane])) <= 10
    assert len(places[Lane.LIVE]) >= 5 * len(places[Lane.DRIFT])


def test_workers_that_die_hold_nobody_up_for_long(world: Callable[..., World]) -> None:
    fates = iter([RemovalAction.ANSWERED] * 100 + [RemovalAction.DIED_AFTER] * 4)
    w = world(NoLimit(), latency=lambda: 0.02, fate=lambda: next(fates, RemovalAction.ANSWERED))
    for number in range(4):
        w.worker(Lane.SCHEDULED, number=number)
    w.run(35)
    granted = sorted(call.granted for call in w.calls if call.granted > 5)
    assert max(later - earlier for earlier, later in itertools.pairwise(granted)) < 3


# --- with a limit


@pytest.mark.parametrize("lane", [Lane.LIVE, Lane.BACKFILL])
@pytest.mark.parametrize("limit", [20, 60])
def test_a_limit_that_the_server_says_is_used_as_ever(
    world: Callable[..., World], limit: int, lane: Lane
) -> None:
    numbers = random.Random(5)
    w = world(FixedWindow(limit), latency=lambda: 0.05 * numbers.uniform(0.5, 4))
    for number in range(4):
        w.worker(lane, number=number)
    w.run(180)
    assert w.state().limit == limit
    assert w.refused() == 0
    assert w.fullest_window() <= limit
    assert w.made(60, 180) >= 0.97 * 2 * limit


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32),
    limit=st.integers(4, 12),
    workers=st.lists(st.sampled_from(list(Lane)), min_size=1, max_size=6),
    window=st.sampled_from([3.0, 10.0]),
)
def test_a_limited_server_never_refuses_whatever_happens_to_workers(
    world: Callable[..., World], seed: int, limit: int, workers: list[Lane], window: float
) -> None:
    numbers = random.Random(seed)
    w = world(
        FixedWindow(limit, window),
        latency=lambda: numbers.choice([0.01, 0.05, 0.7, 1.9]) * numbers.uniform(0.5, 1),
        fate=lambda: numbers.choices(list(RemovalAction), [8, 1, 1, 1])[0],
        call_timeout=2.0,
    )
    # The first answer says the limit.
    made_by(w, w.server.hit(0))
    for number, lane in enumerate(workers):
        w.worker(lane, number=number, start=numbers.uniform(0, 2 * window))
    w.run(4 * window)
    assert w.refused() == 0
    assert w.fullest_window() <= limit


def test_a_limit_above_the_ceiling_says_nothing_of_what_the_server_bears(
    world: Callable[..., World],
) -> None:
    w = world(FixedWindow(100_000), latency=lambda: 0.02)
    for number in range(2):
        w.worker(Lane.SCHEDULED, number=number)
    w.run(2)
    assert w.state().limit <= 120
    w.run(20)
    assert w.state().limit == CEILING


def test_a_krayin_that_stops_saying_a_limit_has_none(world: Callable[..., World]) -> None:
    w = world(FixedWindow(60), latency=lambda: 0.02)
    w.worker(Lane.SCHEDULED)
    w.run(90)
    assert w.state().server_limit == 60
    w.server = NoLimit()
    w.run(150)
    assert w.state().server_limit is None
    assert w.made(130, 150) >= 300


def test_a_limit_is_forgotten_for_good_answers_only_and_not_for_a_few(world: Callable[..., World]) -> None:
    w = world(FixedWindow(60))
    made_by(w, LimitFeedback(60, 59))
    for answer in (
        [QUICK] * 9
        + [LimitFeedback(60, 50)]
        + [LimitFeedback(failed=True), LimitFeedback(), None] * 10
        + [QUICK] * 9
    ):
        w.now += 1.1
        made_by(w, answer)
    assert w.state().server_limit == 60
    w.now += 1.1
    made_by(w, QUICK)
    assert w.state().server_limit is None
    assert w.state().limit == 60


def test_a_limit_that_somebody_adds_counts_from_its_first_word(world: Callable[..., World]) -> None:
    w = world(NoLimit(), latency=lambda: 0.02)
    for number in range(2):
        w.worker(Lane.SCHEDULED, number=number)
    w.run(15)
    assert w.state().limit > 150
    w.server = FixedWindow(100)
    w.run(90)
    assert w.state().limit == 100
    assert w.refused() == 0


# --- beside a number


def test_a_number_is_what_it_was(world: Callable[..., World]) -> None:
    w = world(NoLimit(), 300, latency=lambda: 0.02)
    w.auto = False
    for number in range(2):
        w.worker(Lane.SCHEDULED, number=number)
    w.run(60)
    state = w.state()
    assert (state.limit, state.auto) == (300, False)
    assert w.made(0, 60) >= 0.99 * 300


def test_of_auto_and_a_number_the_lower_counts_while_both_are_in_use(world: Callable[..., World]) -> None:
    w = world(NoLimit(), 200, latency=lambda: 0.02)
    for number in range(2):
        w.worker(Lane.SCHEDULED, number=number)
    w.run(20)
    assert w.state().limit == 200
    other = World(w.url, 30, NoLimit(), key=w.key)
    other.worker(Lane.LIVE, start=w.now, calls=1)
    other.run(w.now + 1)
    assert w.state().limit == 30
    w.run(100)
    assert w.state().limit == 200
    other.close()


def test_a_clock_that_jumps_back_changes_nothing(world: Callable[..., World]) -> None:
    w = world(NoLimit(), 300, latency=lambda: 0.02)
    for number in range(2):
        w.worker(Lane.SCHEDULED, number=number)
    w.at(40, lambda: setattr(w, "skew", -3600.0))
    w.run(80)
    assert w.made(45, 80) >= 0.95 * 300 * 35 / 60
