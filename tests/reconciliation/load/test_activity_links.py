"""Activities that hang on the person and on the lead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from reconciliation.run.request import RunRequest

from sandbox.chatwoot import changes, conversations

if TYPE_CHECKING:
    from tests.reconciliation.world import World

BOTH = {"sync_messages": True, "activity_link": "both"}


def ada_writes(world: World) -> None:
    with psycopg.connect(world.chatwoot_url) as connection:
        contact = changes.add_contact(connection, 1, name="Ada", email="ada@example.com")
        talk = conversations.add_conversation(connection, contact, 1)
        conversations.add_message(connection, talk, "Hello")


def links(world: World) -> tuple[int, int]:
    """How many links to the person and to the lead the one activity has."""
    rows = world.krayin.records("activities", "person_activities", "lead_activities")
    (activity,) = [row for row in rows["activities"] if row["type"] != "system"]
    found = [
        sum(row["activity_id"] == activity["id"] for row in rows[table])
        for table in ("person_activities", "lead_activities")
    ]
    return found[0], found[1]


def test_an_activity_hangs_on_both_with_two_calls(world: World) -> None:
    ada_writes(world)
    run = world.run(**BOTH)
    assert links(world) == (1, 1)
    assert [method for method, _, _ in world.calls(run.id) if method != "GET"] == ["POST", "POST", "PUT"]


@pytest.mark.parametrize("kind", ["drop_after", "error_after"])
@pytest.mark.parametrize(("method", "route"), [("POST", "activities$"), ("PUT", "activities/")])
def test_both_links_are_made_when_an_answer_was_lost(
    world: World, kind: str, method: str, route: str
) -> None:
    ada_writes(world)
    world.krayin.set_faults({"kind": kind, "method": method, "route": route, "count": 1})
    world.run(**BOTH)
    world.rows("UPDATE operation SET next_attempt_at = now() WHERE state <> 'done' RETURNING 1")
    world.run(**BOTH)
    assert links(world) == (1, 1)
    assert world.operations("done")
    assert world.calls(world.run(**BOTH).id) == []


def test_an_activity_waits_for_the_lead_of_an_adopted_person(world: World) -> None:
    """The person is linked some time before its lead is made."""
    world.krayin.seed(persons=[{"name": "A. B.", "emails": [{"value": "ada@example.com", "label": "work"}]}])
    ada_writes(world)
    world.sync(**BOTH).plan(RunRequest())
    assert world.rows("SELECT waits_for FROM operation WHERE source_kind = 'message'") == [("lead",)]
    world.run(**BOTH)
    assert links(world) == (1, 1)
