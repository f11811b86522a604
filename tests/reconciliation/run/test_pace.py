"""A run at the limit Krayin is shipped with."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

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
def test_at_the_shipped_limit_no_call_is_refused(world: World) -> None:
    with psycopg.connect(world.chatwoot_url) as connection:
        for number in range(CONTACTS):
            changes.add_contact(connection, 1, name=f"Contact {number}", email=f"contact{number}@example.com")
    with running_krayin("limited") as krayin:
        world.krayin = krayin
        world.access_options = {"pace": LIMIT}
        run = world.run()
        calls = krayin.calls()

    assert run.summary["created"] == {"lead": CONTACTS, "person": CONTACTS}
    assert run.summary["refused"] == 0
    granted = [at for (at,) in world.rows("SELECT at FROM api_call WHERE run_id = %s ORDER BY at", run.id)]
    assert sum(call["status"] == 500 for call in calls if call["user_id"]) == 0
    for first in range(len(granted) - LIMIT):
        assert granted[first + LIMIT] - granted[first] >= WINDOW - timedelta(milliseconds=50)
