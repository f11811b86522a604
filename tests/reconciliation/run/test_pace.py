"""A run at the limit Krayin is shipped with, and at the pace that one without a limit allows."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from reconciliation.run.setup import check_sync

from sandbox.chatwoot import changes
from sandbox.krayin.testing import running_krayin

if TYPE_CHECKING:
    from tests.reconciliation.world import World

# Enough to go past the end of Krayin's first window.
CONTACTS = 70
LIMIT = 60
WINDOW = timedelta(seconds=60)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("pace", [LIMIT, "auto"])
def test_at_the_shipped_limit_no_call_is_refused(world: World, pace: int | str) -> None:
    with psycopg.connect(world.chatwoot_url) as connection:
        for number in range(CONTACTS):
            changes.add_contact(connection, 1, name=f"Contact {number}", email=f"contact{number}@example.com")
    with running_krayin("limited") as krayin:
        world.krayin = krayin
        world.access_options = {"pace": pace}
        run = world.run()
        calls = krayin.calls()

    assert run.summary["created"] == {"lead": CONTACTS, "person": CONTACTS}
    assert run.summary["refused"] == 0
    granted = [at for (at,) in world.rows("SELECT at FROM api_call WHERE run_id = %s ORDER BY at", run.id)]
    assert sum(call["status"] == 500 for call in calls if call["user_id"]) == 0
    for first in range(len(granted) - LIMIT):
        assert granted[first + LIMIT] - granted[first] >= WINDOW - timedelta(milliseconds=50)


def budget_of(world: World) -> tuple[int | None, int, int, bool]:
    ((limit, most, allowed, auto),) = world.rows(
        "SELECT server_limit, setting, allowed_per_minute, auto FROM budget_use"
    )
    return limit, most, allowed, auto


def test_a_krayin_that_was_upgraded_to_one_without_a_limit_sets_the_pace_itself(world: World) -> None:
    with running_krayin("limited-debug", version="2.1") as krayin:
        world.krayin = krayin
        world.access_options = {"pace": "auto"}
        assert any(
            line.endswith("auto: 60 calls a minute, as Krayin's limit says")
            for line in check_sync(world.sync())
        )
        assert budget_of(world) == (60, 1200, 60, True)
        krayin.configure(version="2.2", instance="unlimited")
        for number in range(40):
            world.add(name=f"Contact {number}", email=f"contact{number}@example.com")
        run = world.run()
        assert run.summary["created"] == {"lead": 40, "person": 40}
        limit, _, allowed, _ = budget_of(world)
        assert limit is None
        assert allowed > 60
        (said,) = (line for line in check_sync(world.sync()) if "auto: " in line)
        assert said.endswith("calls a minute now, up to 1200 while Krayin answers quickly")
