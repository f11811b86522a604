"""Whole runs that take up what a sweep found, up to the stand-in for Krayin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from chatwoot.source import Scope
from chatwoot.sweep import Stream
from reconciliation.errors import SweepGoneError
from reconciliation.extract.sweep import Sweep
from reconciliation.identity import Identity
from reconciliation.run.request import RunRequest
from reconciliation.sync_database.run_rows import RunKind

from sandbox.chatwoot import changes, conversations

if TYPE_CHECKING:
    from reconciliation.extract.sweep import Differences
    from reconciliation.sync_database.run_rows import Run

    from tests.reconciliation.world import World

NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
STREAMS = (Stream.CONTACTS, Stream.CONVERSATIONS, Stream.MESSAGES)
TALK = {"sync_conversations": True, "sync_messages": True}


def sweep(world: World) -> tuple[int, dict[str, Any]]:
    """Compare everything; return the id of the sweep and what it found."""
    identity = Identity(
        *world.rows("SELECT target_id, installation_id, account_id FROM watermark LIMIT 1")[0]
    )
    with (
        psycopg.connect(world.sync_url, autocommit=True) as connection,
        world.sync().source.snapshot() as snapshot,
    ):
        found: Differences = Sweep(connection, "test", identity, snapshot, Scope(1), STREAMS).differences()
        return found.sweep_id, {
            str(stream): {str(kind): number for kind, number in swept.counts.items()}
            for stream, swept in found.streams.items()
            if swept.counts
        }


def repair(world: World, sweep_id: int, **options: Any) -> Run:
    return world.run(RunRequest(kind=RunKind.RECONCILE, sweep_id=sweep_id, **options))


def sql(world: World, query: str) -> None:
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        connection.execute(query)


@pytest.fixture(autouse=True)
def _equal_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    # Both databases are one server: nothing that was planned a moment before a sweep is looked at again.
    monkeypatch.setattr("reconciliation.extract.sweep.CLOCK_MARGIN", timedelta(0))


@pytest.fixture
def swept(world: World) -> World:
    """Two contacts with a conversation each, brought over, swept and found equal."""
    world.settings |= TALK
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        for name in ("ada", "bob"):
            contact = changes.add_contact(connection, 1, name=name, email=f"{name}@example.com")
            talk = conversations.add_conversation(connection, contact, 1, created_at=NOON)
            conversations.add_message(connection, talk, "Hello", created_at=NOON)
    world.run()
    sweep_id, _ = sweep(world)
    run = repair(world, sweep_id)
    assert run.summary["writes"] == 0
    return world


def comments(world: World) -> list[str]:
    rows = world.api("GET", "activities?pagination=0&type=note,call,email")["data"]
    return [row["comment"] for row in sorted(rows, key=lambda row: row["id"])]


def test_what_the_watermark_does_not_see_reaches_krayin_through_a_sweep(swept: World) -> None:
    with psycopg.connect(swept.chatwoot_url, autocommit=True) as connection:
        for (message,) in connection.execute("SELECT id FROM messages WHERE content = 'Hello'").fetchall():
            conversations.add_attachment(connection, message, "plan.pdf", "application/binary", 1200)
    swept.run()
    repair(swept, sweep(swept)[0])
    # What kind of file it is Chatwoot finds out later.
    sql(swept, "UPDATE active_storage_blobs SET content_type = 'application/pdf'")
    assert swept.run().summary["writes"] == 0
    sweep_id, found = sweep(swept)
    assert found == {"conversations": {"changed": 2}, "messages": {"changed": 2}}
    run = repair(swept, sweep_id)
    assert run.summary["activities_read"] == {"conversation": 2, "message": 2}
    assert all("application/pdf" in comment for comment in comments(swept))
    # Each was planned by a reading after the sweep: it is looked at once more, and equal.
    again, found = sweep(swept)
    assert found == {"conversations": {"replanned": 2}, "messages": {"replanned": 2}}
    assert repair(swept, again).summary["writes"] == 0


def test_what_was_said_keeps_the_names_of_its_time(swept: World) -> None:
    before = comments(swept)
    sql(swept, "UPDATE inboxes SET name = 'Shop' WHERE id = 1")
    sweep_id, found = sweep(swept)
    assert found == {"conversations": {"changed": 2}, "messages": {"changed": 2}}
    assert repair(swept, sweep_id).summary["calls"] == 0
    assert comments(swept) == before
    assert sweep(swept)[1] == {}


def test_only_what_differs_is_read(swept: World) -> None:
    sql(swept, "UPDATE contacts SET name = 'Ada L.', updated_at = '2019-01-01' WHERE name = 'ada'")
    sweep_id, found = sweep(swept)
    assert found == {"contacts": {"changed": 1}, "conversations": {"changed": 1}, "messages": {"changed": 1}}
    run = repair(swept, sweep_id)
    assert (run.summary["read"], run.summary["activities_read"]) == (1, {"conversation": 1, "message": 1})
    assert [person["name"] for person in swept.persons()] == ["Ada L.", "bob"]


def test_a_run_of_a_sweep_does_not_move_the_watermark(swept: World) -> None:
    before = swept.rows("SELECT stream, mark FROM watermark ORDER BY stream")
    sweep_id, _ = sweep(swept)
    repair(swept, sweep_id)
    assert swept.rows("SELECT stream, mark FROM watermark ORDER BY stream") == before


def test_a_dry_run_remembers_nothing(swept: World) -> None:
    swept.change(1, name="Ada L.")
    sweep_id, found = sweep(swept)
    dry = repair(swept, sweep_id, dry_run=True)
    assert dry.summary["planned"]["update"] == 1
    assert sweep(swept)[1] == found


def test_a_plan_that_fails_remembers_nothing(swept: World) -> None:
    swept.change(1, name="Ada L.")
    sweep_id, found = sweep(swept)

    def fail(connection: psycopg.Connection, run_id: int) -> None:
        message = f"run {run_id} dies with everything planned"
        raise RuntimeError(message)

    with pytest.raises(RuntimeError):
        swept.sync().plan(RunRequest(kind=RunKind.RECONCILE, sweep_id=sweep_id), also=fail)
    again, found_again = sweep(swept)
    # Its chunks were committed: what is planned already is not planned again, and not lost.
    assert found_again == found
    run = repair(swept, again)
    assert [person["name"] for person in swept.persons()] == ["Ada L.", "bob"]
    # The person, the lead, the conversation and the message that show the name.
    assert run.summary["writes"] == 2


def test_a_sweep_that_is_gone_is_not_taken_for_nothing_to_do(swept: World) -> None:
    sweep_id, _ = sweep(swept)
    sweep(swept)
    with pytest.raises(SweepGoneError):
        repair(swept, sweep_id)
