"""Activities whose plan was replaced or whose answer was lost, and what salespeople did to them since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from reconciliation.run.request import RunRequest

from sandbox.chatwoot import changes, conversations

if TYPE_CHECKING:
    from tests.reconciliation.world import World

TALK = {"sync_conversations": True}


def ada_writes(world: World) -> int:
    with psycopg.connect(world.chatwoot_url) as connection:
        contact = changes.add_contact(connection, 1, name="Ada", email="ada@example.com")
        talk = conversations.add_conversation(connection, contact, 1)
        conversations.add_message(connection, talk, "Hello")
    return talk


def say(world: World, talk: int, text: str) -> None:
    with psycopg.connect(world.chatwoot_url) as connection:
        conversations.add_message(connection, talk, text)


def activities(world: World) -> list[dict[str, Any]]:
    rows = world.api("GET", "activities?pagination=0&type=note,call,email")["data"]
    return sorted(rows, key=lambda row: row["id"])


def test_an_earlier_activity_is_still_taken_over_when_its_plan_is_replaced(world: World) -> None:
    """A conversation that goes on before its first plan was carried out."""
    (person,) = world.krayin.seed(
        persons=[{"name": "Ada", "emails": [{"value": "ada@example.com", "label": "work"}]}]
    )["persons"]
    world.krayin.seed(
        activities=[{"type": "note", "title": "Conversation #1", "comment": "old", "person_id": person}]
    )
    talk = ada_writes(world)
    with psycopg.connect(world.chatwoot_url) as connection:
        changes.link_inbox(connection, 1, 1, f"krayin:person:{person}")
    world.sync(**TALK).plan(RunRequest())
    say(world, talk, "Are you there?")
    run = world.run(**TALK)
    assert [row["title"] for row in activities(world)] == ["Conversation #1"]
    assert run.summary["adopted"]["activity"] == 1


@pytest.mark.parametrize("kind", ["drop_after", "error_after"])
def test_an_edit_stays_though_the_answer_to_the_creation_was_lost(world: World, kind: str) -> None:
    talk = ada_writes(world)
    world.krayin.set_faults({"kind": kind, "method": "POST", "route": "activities$", "count": 1})
    world.run(**TALK)
    world.rows("UPDATE operation SET next_attempt_at = now() WHERE state <> 'done' RETURNING 1")
    world.run(**TALK)
    (activity,) = activities(world)
    world.krayin.edit(activities=[{"id": activity["id"], "title": "Hot!", "comment": "Call her"}])
    say(world, talk, "Are you there?")
    world.run(**TALK)
    (activity,) = activities(world)
    assert (activity["title"], activity["comment"]) == ("Hot!", "Call her")


def test_two_updates_without_an_answer_are_not_taken_for_an_edit(world: World) -> None:
    talk = ada_writes(world)
    world.run(**TALK)
    world.access_options = {"options": {"sleep": lambda _: None}}
    # The first is carried out and the second is not; of neither does an answer come.
    for kind, text in (("drop_after", "One"), ("drop_before", "Two")):
        world.krayin.set_faults({"kind": kind, "method": "PUT", "route": "activities/"})
        say(world, talk, text)
        world.sync(**TALK).run(RunRequest(seconds=0.5))
        # As when the second try fails: a newer plan takes its place.
        world.rows("UPDATE operation SET state = 'planned' WHERE state = 'unknown' RETURNING 1")
    world.krayin.clear_faults()
    say(world, talk, "Three")
    world.run(**TALK)
    (activity,) = activities(world)
    assert "Three" in activity["comment"]
