"""Backfills: each day for itself, as often as wanted, without touching the watermark."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from reconciliation.run.request import RunRequest
from reconciliation.store.run_rows import RunKind

if TYPE_CHECKING:
    from tests.reconciliation.world import World

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = 10


def day(number: int) -> tuple[datetime, datetime]:
    return FIRST + timedelta(days=number), FIRST + timedelta(days=number + 1)


def backfill(number: int, *, dry_run: bool = False) -> RunRequest:
    return RunRequest(kind=RunKind.BACKFILL, window=day(number), dry_run=dry_run)


def history(world: World) -> None:
    """Two contacts a day; the second of each day was changed two days later."""
    for number in range(DAYS):
        born = day(number)[0] + timedelta(hours=5)
        for twin in range(2):
            world.add(
                name=f"Contact {number}-{twin}",
                email=f"c{number}-{twin}@example.com",
                created_at=born,
                updated_at=born + timedelta(days=2 * twin),
            )


def addresses(world: World) -> Counter[str]:
    return Counter(row["value"] for person in world.persons() for row in person["emails"])


def test_each_day_brings_its_own_and_repeating_it_nothing(world: World) -> None:
    history(world)
    run = world.run(backfill(3))
    # Those of the day, and the one of two days before that was changed on it.
    assert set(addresses(world)) == {"c3-0@example.com", "c3-1@example.com", "c1-1@example.com"}
    assert run.kind is RunKind.BACKFILL
    again = world.run(backfill(3))
    assert again.summary["read"] == again.summary["unchanged"] == 3
    assert again.summary.get("writes", 0) == 0
    for number in reversed(range(DAYS)):
        world.run(backfill(number))
    assert set(addresses(world).values()) == {1}
    assert len(addresses(world)) == len(world.leads()) == 2 * DAYS


def test_the_watermark_stays_where_it_is(world: World) -> None:
    history(world)
    world.run(backfill(0))
    assert world.rows("SELECT * FROM watermark") == []
    world.run()
    before = world.rows("SELECT position, moved_at FROM watermark")
    late = world.add(name="Late", email="late@example.com")
    world.run(backfill(5))
    assert world.rows("SELECT position, moved_at FROM watermark") == before
    assert world.run().summary["created"] == {"lead": 1, "person": 1}, late


def test_a_forecast_of_the_whole_window_tells_calls_and_sends_nothing(world: World) -> None:
    history(world)
    everything = RunRequest(kind=RunKind.BACKFILL, window=(FIRST, FIRST + timedelta(days=DAYS)), dry_run=True)
    forecast = world.run(everything).summary
    assert forecast["forecast_load_calls"] == 2 * DAYS
    assert forecast["forecast_calls"] >= 2 * DAYS
    assert world.persons() == []
    assert world.rows("SELECT * FROM operation") == []


def test_what_a_cancelled_day_has_planned_is_made_once_by_whoever_comes_next(world: World) -> None:
    history(world)
    sync = world.sync()
    for number in range(DAYS):
        sync.plan(backfill(number))
    assert world.persons() == []
    # The same days again, as a resumed backfill: nothing is planned twice.
    run = sync.plan(backfill(4))
    assert world.rows("SELECT count(*) FROM operation WHERE state = 'planned'") == [(2 * DAYS,)]
    sync.load(run)
    assert set(addresses(world).values()) == {1}
    assert len(addresses(world)) == 2 * DAYS


def test_other_work_goes_before_a_backfill(world: World) -> None:
    history(world)
    sync = world.sync()
    for number in range(DAYS):
        sync.plan(backfill(number))
    fresh = world.add(name="Fresh", email="fresh@example.com")
    run = sync.plan(RunRequest(contact_ids=frozenset({fresh})))
    sync.load(run)
    first = min(world.persons(), key=lambda person: person["id"])
    assert first["name"] == "Fresh"
