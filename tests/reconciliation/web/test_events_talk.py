"""Webhooks about conversations and messages, for a sync that brings those over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciliation.run.events import act_on_events

from sandbox.chatwoot import webhooks
from tests.reconciliation.run.test_activity_run import BOTH, NOON, SECRET, activities, ada_with_a_talk, say
from tests.reconciliation.run.test_events import receive

if TYPE_CHECKING:
    from tests.reconciliation.world import World


def test_a_message_event_brings_the_message_over_and_never_a_private_one(world: World) -> None:
    contact, talk = ada_with_a_talk(world)
    world.run(**BOTH)
    said = say(world, talk, "Do you sell plums?", created_at=NOON)
    secret = say(world, talk, SECRET, message_type=1, private=True, sender_type="User", sender_id=1)
    # The conversation's id is its display id; the payload shows another content than Chatwoot has.
    receive(world, webhooks.message(said, 1, contact, "message_created", content="Lie"))
    receive(world, webhooks.message(secret, 1, contact, "message_created", private=True, content=SECRET))
    act_on_events(world.sync(**BOTH))
    found = activities(world)
    assert [each["title"] for each in found] == ["Conversation #1", "Message from Ada - Conversation #1"]
    assert "Do you sell plums?" in found[1]["comment"]
    assert "Lie" not in str(found)
    assert SECRET not in str(found)


def test_a_new_conversation_of_a_new_contact_comes_over_by_its_event_alone(world: World) -> None:
    world.run(**BOTH)
    contact, _ = ada_with_a_talk(world)
    receive(world, {**webhooks.conversation(1, contact), "event": "conversation_created"})
    act_on_events(world.sync(**BOTH))
    assert [person["name"] for person in world.persons()] == ["Ada"]
    assert [each["title"] for each in activities(world)] == ["Conversation #1"]
