"""What the rate budget decides, by the functions of include/sql/functions/rate_budget.sql that touch no row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.krayin.budget_world import prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = datetime(2026, 5, 5, 10, tzinfo=UTC)
LIVE, SCHEDULED, RETRY, BACKFILL, DRIFT = range(5)
# What the budget of a Krayin with 60 calls a minute looks like before its first call; times are seconds from now.
NEW: dict[str, Any] = {
    "window_seconds": 60, "setting": 60, "setting_at": 0, "server_limit": None, "server_limit_at": None,
    "clock": 0, "pace_at": -inf, "passed_over": [0, 0, 0, 0, 0], "answered_at": 0, "refused_at": None,
    "blocked_until": -inf, "opened_by": -inf, "used": 0, "used_at": -inf, "auto_at": -inf, "pace": 60,
    "quickest": None, "silent": 0,
}  # fmt: skip
TIMES = {name for name in NEW if name.endswith(("_at", "_by", "_until")) or name == "clock"}


class Decision(NamedTuple):
    """Times in seconds from now."""

    my_turn: bool
    anybody_at: float
    lane_at: float
    step: float
    held_back: int


def moment(seconds: float) -> str:
    return (
        str(seconds).replace("inf", "infinity")
        if abs(seconds) == inf
        else str(NOW + timedelta(seconds=seconds))
    )


class Decider:
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def __call__(self, name: str, changes: dict[str, Any], *arguments: object) -> Any:
        """Call `krayin_sync.rate_budget_<name>` on a new budget with these changes."""
        row = {
            column: moment(value) if column in TIMES and value is not None else value
            for column, value in {**NEW, **changes}.items()
        }
        places = "".join(f", {argument}" for argument in arguments)
        found = self.connection.execute(
            f"SELECT to_jsonb(krayin_sync.rate_budget_{name}("
            f"jsonb_populate_record(NULL::krayin_sync.rate_budget, %s){places}))".encode(),
            [Jsonb(row)],
        ).fetchone()
        assert found
        return found[0]

    def decide(
        self,
        lane: int = LIVE,
        *,
        others_waiting: tuple[int, ...] = (),
        others: int = 0,
        flying: int = 0,
        asking: int = 0,
        **changes: Any,
    ) -> Decision:
        waiting = f"ARRAY{[*others_waiting, lane]}"
        found = self("decide", changes, lane, waiting, others, flying, asking, 0.25)
        hours, minutes, seconds = found["step"].split(":")
        return Decision(
            found["my_turn"],
            seconds_of(found["anybody_at"]),
            seconds_of(found["lane_at"]),
            int(hours) * 3600 + int(minutes) * 60 + float(seconds),
            found["held_back"],
        )


def seconds_of(when: str) -> float:
    if when.endswith("infinity"):
        return float(when)
    return (datetime.fromisoformat(when) - NOW).total_seconds()


@pytest.fixture(scope="module")
def decider(new_database: Callable[[str], str]) -> Iterator[Decider]:
    url = new_database("decision")
    prepare(url)
    with psycopg.connect(url, autocommit=True) as connection:
        yield Decider(connection)


# --- limits


@pytest.mark.parametrize(
    ("setting", "server_limit", "capacity", "allowed"),
    [(60, None, 60, 60), (60, 300, 300, 60), (300, 60, 60, 60)],
)
def test_the_lower_limit_is_ours_and_the_servers_is_everybodys(
    decider: Decider, setting: int, server_limit: int | None, capacity: int, allowed: int
) -> None:
    limits = {"setting": setting, "server_limit": server_limit}
    assert decider("capacity", limits) == capacity
    assert decider("allowed", limits) == allowed


@pytest.mark.parametrize(
    ("asked", "used_ago", "counts"), [(30, 0, 30), (90, 59, 60), (90, 61, 90), (60, 61, 60)]
)
def test_a_lower_setting_counts_at_once_and_a_higher_one_after_a_window(
    decider: Decider, asked: int, used_ago: float, counts: int
) -> None:
    changed = decider("with_setting", {"setting_at": -used_ago}, asked, "false", 60)
    assert changed["setting"] == counts
    assert changed["auto_at"] == "-infinity"


def test_somebody_on_auto_makes_the_answers_set_the_pace_for_a_window(decider: Decider) -> None:
    auto = {"setting": 1200, "pace": 75.5}
    assert decider("pace", {**auto, "auto_at": -61}) == 1200
    assert decider("pace", {**auto, "auto_at": -59}) == 75
    # A limit within the setting is the pace at once; one above says nothing of what the server bears.
    assert decider("pace", {**auto, "auto_at": -59, "server_limit": 300}) == 300
    assert decider("pace", {**auto, "auto_at": -59, "server_limit": 2000}) == 75


def test_a_higher_limit_is_believed_when_the_lower_was_not_heard_for_a_window(decider: Decider) -> None:
    def believes(said: object, heard_ago: float) -> bool:
        return bool(decider("believes", {"server_limit": 60, "server_limit_at": -heard_ago}, said))

    assert believes(50, 1)
    assert believes(60, 1)
    assert not believes(100, 59)
    assert believes(100, 61)
    assert not believes("NULL", 61)
    assert decider("believes", {}, 100)


def test_a_limit_is_forgotten_after_ten_good_answers_without_a_word_of_it(decider: Decider) -> None:
    known = {"server_limit": 60, "server_limit_at": -1, "silent": 8, "pace": 400, "opened_by": -3}
    ninth = decider("with_limit", known, "NULL", "true")
    assert (ninth["server_limit"], ninth["silent"]) == (60, 9)
    tenth = decider("with_limit", {**known, "silent": 9}, "NULL", "true")
    assert (tenth["server_limit"], tenth["pace"], tenth["opened_by"]) == (None, 60, "-infinity")
    assert decider("with_limit", {**known, "silent": 9}, "NULL", "false")["server_limit"] == 60
    assert decider("with_limit", {**known, "silent": 9}, 50, "true")["silent"] == 0


# --- whose turn


@pytest.mark.parametrize(
    ("lane", "others_waiting", "passed_over", "my_turn"),
    [
        (LIVE, (), [0, 0, 0, 0, 0], True),
        (LIVE, (BACKFILL,), [0, 0, 0, 8, 0], True),
        # One of two waiting lanes is served in time: the other could not be within its ten either.
        (LIVE, (BACKFILL,), [0, 0, 0, 9, 0], False),
        (BACKFILL, (LIVE,), [0, 0, 0, 9, 0], True),
        (BACKFILL, (LIVE,), [0, 0, 0, 8, 0], False),
        (SCHEDULED, (BACKFILL,), [0, 0, 0, 0, 0], True),
        # Of lanes that are owed a slot the one passed over most comes first, then the higher.
        (DRIFT, (LIVE, BACKFILL), [0, 0, 0, 8, 9], True),
        (BACKFILL, (LIVE, DRIFT), [0, 0, 0, 8, 8], True),
        (DRIFT, (LIVE, BACKFILL), [0, 0, 0, 8, 8], False),
        # Nobody waits there any more.
        (LIVE, (), [0, 0, 0, 9, 9], True),
    ],
)
def test_the_highest_lane_goes_first_unless_another_is_owed_one_slot_in_ten(
    decider: Decider, lane: int, others_waiting: tuple[int, ...], passed_over: list[int], my_turn: bool
) -> None:
    found = decider.decide(lane, others_waiting=others_waiting, passed_over=passed_over)
    assert found.my_turn == my_turn


def test_a_slot_counts_for_the_lanes_that_waited_and_clears_the_others(decider: Decider) -> None:
    found = decider.connection.execute(
        "SELECT krayin_sync.rate_budget_passed_over('{0,3,4,5,6}', '{0,1,3}', 0)"
    ).fetchone()
    assert found == ([0, 4, 0, 6, 0],)


# --- when


def test_live_calls_burst_and_the_others_go_evenly(decider: Decider) -> None:
    assert decider.decide(LIVE, pace_at=0.5).lane_at == -inf
    later = decider.decide(BACKFILL, pace_at=0.5)
    assert (later.lane_at, later.step) == (0.5, 1.0)


def test_a_lane_that_live_calls_passed_over_does_not_wait_for_the_pace(decider: Decider) -> None:
    found = decider.decide(BACKFILL, others_waiting=(LIVE,), passed_over=[0, 0, 0, 9, 0], pace_at=0.5)
    assert found.my_turn
    assert found.lane_at == -inf


def test_on_auto_live_calls_run_ahead_of_the_pace_by_a_window_only(decider: Decider) -> None:
    auto = {"setting": 1200, "auto_at": 0, "pace": 120}
    assert decider.decide(LIVE, pace_at=60, **auto).lane_at == 0.5
    assert decider.decide(SCHEDULED, pace_at=3, **auto).lane_at == 3


def test_on_auto_so_many_are_under_way_as_the_pace_needs_and_one(decider: Decider) -> None:
    # 600 a minute, each 0.2 s at its quickest: two at once, and one.
    auto = {"setting": 1200, "auto_at": 0, "pace": 600, "quickest": 0.2, "pace_at": -5}
    assert decider.decide(SCHEDULED, asking=2, **auto).lane_at == -5
    assert decider.decide(SCHEDULED, asking=3, **auto).lane_at == 0.02


@pytest.mark.parametrize(
    ("setting", "server_limit", "others", "held_back"),
    [(60, 60, 0, 0), (60, 60, 20, 20), (60, 60, 100, 59), (60, 100, 30, 0), (60, 100, 50, 10)],
)
def test_what_other_programs_use_is_left_to_them_where_it_is_not_spare(
    decider: Decider, setting: int, server_limit: int, others: int, held_back: int
) -> None:
    found = decider.decide(others=others, setting=setting, server_limit=server_limit)
    assert found.held_back == held_back
    assert found.step == pytest.approx(60 / (60 - held_back))


def test_nobody_calls_while_the_servers_window_is_or_may_be_used_up(decider: Decider) -> None:
    window = {"server_limit": 60, "opened_by": -10, "used_at": -6}
    assert decider.decide(used=50, flying=9, **window).anybody_at == -inf
    assert decider.decide(used=50, flying=10, **window).anybody_at == 50
    # Ten others a minute: twice their pace in six seconds, and one.
    assert decider("counted", {**window, "used": 50}, 10, 4, f"'{NOW}'") == 57
    assert decider.decide(used=50, flying=6, others=10, **window).anybody_at == -inf
    assert decider.decide(used=50, flying=7, others=10, **window).anybody_at == 50


def test_after_a_silence_a_twentieth_asks_before_the_rest(decider: Decider) -> None:
    assert decider.decide(asking=2, answered_at=-61).anybody_at == -inf
    assert decider.decide(asking=3, answered_at=-61).anybody_at == 0.02
    assert decider.decide(asking=3, answered_at=-59).anybody_at == -inf


@pytest.mark.parametrize(
    ("retry_after", "blocked_until", "opened_by", "expected"),
    [
        ("NULL", -inf, -inf, 60),
        ("NULL", -inf, -20, 40),
        # Whole seconds, rounded down.
        (17, -inf, -20, 18),
        (100_000, -inf, -inf, 601),
        (17, 30, -inf, 30),
    ],
)
def test_a_refusal_keeps_everybody_back(
    decider: Decider, retry_after: object, blocked_until: float, opened_by: float, expected: float
) -> None:
    state = {"blocked_until": blocked_until, "opened_by": opened_by}
    assert seconds_of(decider("blocked_until", state, retry_after)) == expected
