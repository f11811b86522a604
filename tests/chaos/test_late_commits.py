"""No row is missed, however late and in whatever order the transactions that wrote them end."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from chatwoot import source

from sandbox.chatwoot import changes
from sandbox.krayin.testing import running_krayin
from tests.chaos.late_writer import ACCOUNT, LateWriter
from tests.chaos.seed import SEED
from tests.reconciliation.world import World
from tests.soak import SOAK

if TYPE_CHECKING:
    from collections.abc import Callable

MAPPED = "SELECT source_id FROM mapping WHERE source_kind = 'message' AND state = 'linked'"
SECONDS, EVERY, LONGEST, READY = (600, 20, 30.0, 800) if SOAK else (9, 1, 4.0, 60)


@pytest.mark.chaos
@pytest.mark.timeout(SECONDS + 300)
@pytest.mark.parametrize("look", ["exactly", "by index"])
def test_a_writer_that_commits_out_of_order_loses_nothing(
    new_databases: Callable[[], tuple[str, str]], monkeypatch: pytest.MonkeyPatch, look: str
) -> None:
    """By index no new row is missed; contacts that only were edited wait for the exact look at the end."""
    sys.stdout.write(f"CHAOS_SEED={SEED}\n")
    chatwoot_url, sync_url = new_databases()
    with psycopg.connect(chatwoot_url) as connection:
        ready = [
            changes.add_contact(
                connection, ACCOUNT, name=f"ready {number}", email=f"ready{number}@example.com"
            )
            for number in range(READY)
        ]
    writer = LateWriter(chatwoot_url, SEED, LONGEST, ready)
    # Nobody is there to approve.
    settings: dict[str, Any] = {
        "sync_messages": True,
        "max_changes_without_approval": {"number": 1_000_000},
        "chatwoot": {"account_id": ACCOUNT, "exact_look_share": 1e-9 if look == "by index" else 1},
    }
    usual = source.CHEAP
    monkeypatch.setattr(source, "CHEAP", 0.0 if look == "by index" else usual)
    with running_krayin() as krayin:
        world = World(chatwoot_url, sync_url, krayin, settings)
        world.run()
        threads = writer.start()
        began, runs = time.monotonic(), 0
        while time.monotonic() - began < SECONDS:
            world.run()
            runs += 1
            time.sleep(max(0.0, runs * EVERY - (time.monotonic() - began)))
        writer.stop()
        for thread in threads:
            thread.join()
        assert not writer.failures
        found = world.run().summary["looks"]
        new = set(writer.names) - set(range(1, READY + 1))
        by_now = {person["name"] for person in world.persons()}, set(world.rows(MAPPED))
        monkeypatch.setattr(source, "CHEAP", usual)
        world.settings["chatwoot"]["exact_look_share"] = 1
        world.run()
        last = world.run()
        names = [person["name"] for person in world.persons()]
        mapped = set(world.rows(MAPPED))
    written = {(str(message),) for message in writer.messages}
    sys.stdout.write(
        f"seed {SEED}, {look}: {writer.transactions} transactions, {writer.out_of_order} ended out of order; "
        f"{runs} runs beside them; {len(writer.names)} contacts and {len(writer.messages)} messages written, "
        f"missed: {len(set(writer.names.values()) - set(names))} and "
        f"{len(written - mapped)}\n"
    )
    assert set(found.values()) == {"exact" if look == "exactly" else "by_index"}
    assert {writer.names[contact] for contact in new} - by_now[0] == set()
    assert by_now[1] == mapped
    assert writer.out_of_order
    assert sorted(set(writer.names.values()) - set(names)) == []
    assert len(names) == len(set(names)) == READY + len(new)
    assert mapped == written
    assert world.calls(last.id) == []
