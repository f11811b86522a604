"""Lost answers, dead persons, private words, and activities that were there before."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from reconciliation.model.timing import Timing
from reconciliation.run.request import RunRequest

from sandbox.chatwoot import changes, conversations
from tests.soak import SOAK

if TYPE_CHECKING:
    from reconciliation.store.run_rows import Run

    from tests.reconciliation.world import World

NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
BOTH = {"sync_conversations": True, "sync_messages": True}
SETUP_CALLS = 20
SECRET = "plum-secret-word"
AT_ONCE = Timing(settle=timedelta(0), backoff=timedelta(0), down=timedelta(0))


def talk_of_ada(world: World, **columns: Any) -> tuple[int, int]:
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        contact = changes.add_contact(connection, 1, name="Ada", email="ada@example.com")
        return contact, conversations.add_conversation(connection, contact, 1, created_at=NOON, **columns)


def say(world: World, talk: int, text: str, **columns: Any) -> int:
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        return conversations.add_message(connection, talk, text, created_at=NOON, **columns)


def activities(world: World) -> list[dict[str, Any]]:
    rows = world.api("GET", "activities?pagination=0&type=note,call,email")["data"]
    return sorted(rows, key=lambda row: row["id"])


def run(world: World, **settings: Any) -> Run:
    return replace(world.sync(**{**BOTH, **settings}), timing=AT_ONCE).run(RunRequest())


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "error_after", "error_before", "wrong_json"])
def test_a_lost_answer_makes_no_second_activity(world: World, kind: str) -> None:
    _, talk = talk_of_ada(world)
    say(world, talk, "Hello")
    world.krayin.set_faults(
        {"kind": kind, "method": "POST", "route": "activities$", "count": 1, "after": True}
    )
    run(world)
    run(world)
    rows = activities(world)
    assert sorted(row["title"] for row in rows) == ["Conversation #1", "Message from Ada - Conversation #1"]
    (person,) = world.persons()
    hanging = world.api("GET", f"contacts/persons/{person['id']}/activities")["data"]
    assert {row["id"] for row in rows} <= {row["id"] for row in hanging}
    assert [row["is_done"] for row in rows] == [row["title"].startswith("Message") for row in rows]
    assert world.calls(run(world).id) == []


def test_a_lost_mark_is_made_by_the_next_run(world: World) -> None:
    talk_of_ada(world)
    world.krayin.set_faults({"kind": "drop_before", "route": "mass-update"})
    run(world)
    assert activities(world)[0]["is_done"] == 1
    world.krayin.clear_faults()
    run(world)
    assert activities(world)[0]["is_done"] == 0
    assert world.calls(run(world).id) == []


def test_a_mark_that_waited_looks_for_participants_added_meanwhile(world: World) -> None:
    """Krayin would mail them that the call is done."""
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        contact = changes.add_contact(connection, 1, name="Ada", email="ada@example.com")
        (whatsapp,) = (
            connection.execute(
                "SELECT id FROM inboxes WHERE account_id = 1 AND channel_type = 'Channel::Whatsapp'"
            ).fetchone()
            or ()
        )
        conversations.add_conversation(connection, contact, whatsapp, created_at=NOON, status=1)
    world.krayin.set_faults({"kind": "drop_before", "route": "mass-update"})
    run(world)
    world.krayin.clear_faults()
    (call,), (person,) = activities(world), world.persons()
    world.api("PUT", f"activities/{call['id']}", {"participants": {"persons": [person["id"]]}})
    mailed = len(world.krayin.mails())
    run(world)
    assert not activities(world)[0]["is_done"]
    assert len(world.krayin.mails()) == mailed
    assert world.rows("SELECT count(*) FROM activity_mark") == [(0,)]


def test_an_activity_of_a_dead_person_leaves_nothing_behind(world: World) -> None:
    _, talk = talk_of_ada(world)
    world.run()
    (lead,), (person,) = world.leads(), world.persons()
    world.api("DELETE", f"leads/{lead['id']}")
    world.api("DELETE", f"contacts/persons/{person['id']}")
    say(world, talk, "Hello")
    run(world)
    last = run(world)
    assert activities(world) == []
    assert {row[2] for row in world.operations("rejected")} == {"deleted_in_krayin"}
    assert last.summary["waiting"] == 0


def test_a_rebuilt_sync_database_finds_its_activities_again(world: World) -> None:
    _, talk = talk_of_ada(world, status=1)
    say(world, talk, "Hello")
    run(world)
    before = activities(world)
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        connection.execute(
            "TRUNCATE krayin_sync.mapping, krayin_sync.operation, krayin_sync.watermark CASCADE"
        )
    again = run(world)
    assert [row["id"] for row in activities(world)] == [row["id"] for row in before]
    assert again.summary["adopted"]["activity"] == 2


def test_activities_of_an_earlier_integration_are_recognised(world: World) -> None:
    person = world.api(
        "POST",
        "contacts/persons",
        {
            "name": "Ada",
            "emails": [{"value": "ada@example.com", "label": "work"}],
            "contact_numbers": [{"value": "", "label": "work"}],
        },
    )["data"]["id"]
    for title in ("Conversation #1", *["Message from Ada - Conversation #1"] * 2):
        world.api(
            "POST", "activities", {"type": "note", "title": title, "comment": "old", "person_id": person}
        )
    contact, talk = talk_of_ada(world)
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        changes.link_inbox(connection, contact, 1, f"krayin:person:{person}")
    for text in ("one", "two", "three"):
        say(world, talk, text)
    first = run(world)
    rows = activities(world)
    assert [row["title"] for row in rows].count("Message from Ada - Conversation #1") == 3
    assert len(rows) == 4
    assert first.summary["adopted"]["activity"] == 3
    assert "three" in rows[-1]["comment"]
    # What it wrote follows the conversation from then on.
    say(world, talk, "four")
    run(world)
    assert "four" in activities(world)[0]["comment"]


def test_a_private_word_is_found_nowhere(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    _, talk = talk_of_ada(world)
    say(world, talk, "public")
    say(world, talk, SECRET, message_type=1, private=True, sender_type="User", sender_id=1)
    say(world, talk, SECRET, message_type=2)
    say(world, talk, SECRET, message_type=3)
    world.krayin.clear_calls()
    run(world)
    say(world, talk, SECRET, message_type=1, private=True, sender_type="User", sender_id=1)
    run(world)
    assert len(activities(world)) == 2
    assert SECRET not in json.dumps(world.krayin.records())
    assert SECRET not in json.dumps(world.krayin.calls(bodies=True))
    assert SECRET not in caplog.text
    with psycopg.connect(world.sync_url) as connection:
        tables = connection.execute(
            "SELECT quote_ident(table_name) FROM information_schema.tables WHERE table_schema = 'krayin_sync'"
        ).fetchall()
        dump = [
            connection.execute(f"SELECT t::text FROM krayin_sync.{table} AS t").fetchall()
            for (table,) in tables
        ]
    assert "public" in repr(dump)
    assert SECRET not in repr(dump)
    # Public words are in Krayin and in the plan, and in no log either.
    assert "Latest messages" not in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize(("channel", "share"), [("Channel::WebWidget", 0.03), ("Channel::Sms", 0.05)])
def test_messages_cost_hardly_more_than_a_call_each(world: World, channel: str, share: float) -> None:
    """Two thousand messages with SOAK=1, else two hundred."""
    contacts, talks = (20, 10) if SOAK else (5, 4)
    records = contacts * talks * 11
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT id FROM inboxes WHERE account_id = 1 AND channel_type = %s", (channel,)
        ).fetchone()
        assert row
        for number in range(contacts):
            contact = changes.add_contact(connection, 1, name=f"N{number}", email=f"n{number}@example.com")
            for status in range(talks):
                talk = conversations.add_conversation(
                    connection, contact, row[0], created_at=NOON, status=status % 2
                )
                for _ in range(10):
                    conversations.add_message(connection, talk, "Hello", created_at=NOON)
    world.run()
    settings = {**BOTH, "krayin": {"requests_per_minute": 60_000}}
    done = world.run(**settings)
    rows = activities(world)
    assert len(rows) == records
    assert sum(row["is_done"] for row in rows) == records - contacts * talks // 2
    assert done.summary["calls"] <= records * (1 + share) + SETUP_CALLS
    assert done.summary["refused"] == 0
    off_by = abs(done.summary["forecast_calls"] - done.summary["calls"])
    assert off_by <= max(5, 0.02 * done.summary["calls"])
    assert world.calls(world.run(**settings).id) == []
