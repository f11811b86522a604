"""Whole runs that take up what a checksum_diff found, up to the stand-in for Krayin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from chatwoot.source import SourceFilter
from chatwoot.streams import Stream
from reconciliation.errors import ChecksumDiffGoneError
from reconciliation.extract.checksum_diff import ChecksumDiff
from reconciliation.run.request import RunRequest
from reconciliation.store.binding_scope import BindingScope
from reconciliation.store.run_rows import RunKind

from sandbox.chatwoot import changes, conversations

if TYPE_CHECKING:
    from reconciliation.extract.checksum_diff import Differences
    from reconciliation.store.run_rows import Run

    from tests.reconciliation.world import World

NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
STREAMS = (Stream.CONTACTS, Stream.CONVERSATIONS, Stream.MESSAGES)
TALK = {"sync_conversations": True, "sync_messages": True}


def checksum_diff(world: World) -> tuple[int, dict[str, Any]]:
    """Compare everything; return the id of the checksum_diff and what it found."""
    identity = BindingScope(*world.rows("SELECT id, target_id, installation_id, account_id FROM scope")[0])
    with (
        psycopg.connect(world.sync_url, autocommit=True) as connection,
        world.sync().source.snapshot() as snapshot,
    ):
        found: Differences = ChecksumDiff(
            connection, "test", identity, snapshot, SourceFilter(1), STREAMS
        ).differences()
        return found.diff_id, {
            str(stream): {str(kind): number for kind, number in stream_diff.counts.items()}
            for stream, stream_diff in found.streams.items()
            if stream_diff.counts
        }


def repair(world: World, diff_id: int, **options: Any) -> Run:
    return world.run(RunRequest(kind=RunKind.RECONCILE, diff_id=diff_id, **options))


def sql(world: World, query: str) -> None:
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        connection.execute(query)


@pytest.fixture(autouse=True)
def _equal_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    # Both databases are one server: nothing that was planned a moment before a checksum_diff is looked at again.
    monkeypatch.setattr("reconciliation.extract.checksum_diff.CLOCK_MARGIN", timedelta(0))


@pytest.fixture
def stream_diff(world: World) -> World:
    """Two contacts with a conversation each, brought over, stream_diff and found equal."""
    world.settings |= TALK
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        for name in ("ada", "bob"):
            contact = changes.add_contact(connection, 1, name=name, email=f"{name}@example.com")
            talk = conversations.add_conversation(connection, contact, 1, created_at=NOON)
            conversations.add_message(connection, talk, "Hello", created_at=NOON)
    world.run()
    diff_id, _ = checksum_diff(world)
    run = repair(world, diff_id)
    assert run.summary["writes"] == 0
    return world


def comments(world: World) -> list[str]:
    rows = world.api("GET", "activities?pagination=0&type=note,call,email")["data"]
    return [row["comment"] for row in sorted(rows, key=lambda row: row["id"])]


def test_what_the_watermark_does_not_see_reaches_krayin_through_a_sweep(stream_diff: World) -> None:
    with psycopg.connect(stream_diff.chatwoot_url, autocommit=True) as connection:
        for (message,) in connection.execute("SELECT id FROM messages WHERE content = 'Hello'").fetchall():
            conversations.add_attachment(connection, message, "plan.pdf", "application/binary", 1200)
    stream_diff.run()
    repair(stream_diff, checksum_diff(stream_diff)[0])
    # What kind of file it is Chatwoot finds out later.
    sql(stream_diff, "UPDATE active_storage_blobs SET content_type = 'application/pdf'")
    assert stream_diff.run().summary["writes"] == 0
    diff_id, found = checksum_diff(stream_diff)
    assert found == {"conversations": {"changed": 2}, "messages": {"changed": 2}}
    run = repair(stream_diff, diff_id)
    assert run.summary["activities_read"] == {"conversation": 2, "message": 2}
    assert all("application/pdf" in comment for comment in comments(stream_diff))
    # Each was planned by a reading after the checksum_diff: it is looked at once more, and equal.
    again, found = checksum_diff(stream_diff)
    assert found == {"conversations": {"replanned": 2}, "messages": {"replanned": 2}}
    assert repair(stream_diff, again).summary["writes"] == 0


def test_what_was_said_keeps_the_names_of_its_time(stream_diff: World) -> None:
    before = comments(stream_diff)
    sql(stream_diff, "UPDATE inboxes SET name = 'Shop' WHERE id = 1")
    diff_id, found = checksum_diff(stream_diff)
    assert found == {"conversations": {"changed": 2}, "messages": {"changed": 2}}
    assert repair(stream_diff, diff_id).summary["calls"] == 0
    assert comments(stream_diff) == before
    assert checksum_diff(stream_diff)[1] == {}


def test_only_what_differs_is_read(stream_diff: World) -> None:
    sql(stream_diff, "UPDATE contacts SET name = 'Ada L.', updated_at = '2019-01-01' WHERE name = 'ada'")
    diff_id, found = checksum_diff(stream_diff)
    assert found == {"contacts": {"changed": 1}, "conversations": {"changed": 1}, "messages": {"changed": 1}}
    run = repair(stream_diff, diff_id)
    assert (run.summary["read"], run.summary["activities_read"]) == (1, {"conversation": 1, "message": 1})
    assert [person["name"] for person in stream_diff.persons()] == ["Ada L.", "bob"]


def test_a_run_of_a_sweep_does_not_move_the_watermark(stream_diff: World) -> None:
    before = stream_diff.rows("SELECT stream, position FROM watermark ORDER BY stream")
    diff_id, _ = checksum_diff(stream_diff)
    repair(stream_diff, diff_id)
    assert stream_diff.rows("SELECT stream, position FROM watermark ORDER BY stream") == before


def test_a_dry_run_remembers_nothing(stream_diff: World) -> None:
    stream_diff.change(1, name="Ada L.")
    diff_id, found = checksum_diff(stream_diff)
    dry = repair(stream_diff, diff_id, dry_run=True)
    assert dry.summary["planned"]["update"] == 1
    assert checksum_diff(stream_diff)[1] == found


def test_a_plan_that_fails_remembers_nothing(stream_diff: World) -> None:
    stream_diff.change(1, name="Ada L.")
    diff_id, found = checksum_diff(stream_diff)

    def fail(connection: psycopg.Connection, run_id: int) -> None:
        message = f"run {run_id} dies with everything planned"
        raise RuntimeError(message)

    with pytest.raises(RuntimeError):
        stream_diff.sync().plan(RunRequest(kind=RunKind.RECONCILE, diff_id=diff_id), also=fail)
    again, found_again = checksum_diff(stream_diff)
    # Its chunks were committed: what is planned already is not planned again, and not lost.
    assert found_again == found
    run = repair(stream_diff, again)
    assert [person["name"] for person in stream_diff.persons()] == ["Ada L.", "bob"]
    # The person, the lead, the conversation and the message that show the name.
    assert run.summary["writes"] == 2


def test_a_sweep_that_is_gone_is_not_taken_for_nothing_to_do(stream_diff: World) -> None:
    diff_id, _ = checksum_diff(stream_diff)
    checksum_diff(stream_diff)
    with pytest.raises(ChecksumDiffGoneError):
        repair(stream_diff, diff_id)
