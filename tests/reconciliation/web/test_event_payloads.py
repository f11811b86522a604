"""Every payload Chatwoot sends, from the receiver to Krayin: acted upon, or left alone as documented."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
from chatwoot.webhook.receiver import create_app
from reconciliation.run.events import act_on_events

from sandbox.chatwoot import changes, conversations, webhooks
from tests.chatwoot.payloads import CONTACT, CONVERSATION, IGNORED, MESSAGES, PAYLOADS
from tests.chatwoot.webhook.test_receiver import SECRET, FakeDesk
from tests.reconciliation.run.test_events import receive

if TYPE_CHECKING:
    from tests.reconciliation.world import World

TALK = {"sync_conversations": True, "sync_messages": True}


def post(world: World, payload: dict[str, Any]) -> str:
    async def scenario() -> httpx.Response:
        registry = FakeDesk(world.sync_url)
        transport = httpx.ASGITransport(create_app(registry))
        body = webhooks.encode(payload)
        async with httpx.AsyncClient(transport=transport, base_url="http://airflow") as client:
            answer = await client.post("/webhooks/shop", content=body, headers=webhooks.headers(SECRET, body))
        if registry.opened is not None:
            await registry.opened.close()
        return answer

    answer = asyncio.run(scenario())
    assert answer.status_code == 200
    return str(answer.json()["status"])


def titles(world: World) -> list[str]:
    rows = world.api("GET", "activities?pagination=0&type=note,call,email")["data"]
    return sorted(row["title"] for row in rows)


def test_each_is_acted_upon_or_left_alone(world: World) -> None:
    sync = world.sync("shop", **TALK)
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        changes.add_contact(connection, 1, id=CONTACT, name="Nora", email="nora@fjord.example")
        talk = conversations.add_conversation(connection, CONTACT, 1, display_id=CONVERSATION)
    world.run(name="shop", **TALK)
    said: set[int] = set()
    for number, (name, payload) in enumerate(PAYLOADS.items()):
        # Something is new in Chatwoot each time; only an event that is acted upon brings it over.
        with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
            changes.update_contact(connection, CONTACT, name=f"Nora {number}")
            if name in MESSAGES and MESSAGES[name] not in said:
                said.add(MESSAGES[name])
                conversations.add_message(connection, talk, f"Message {number}", id=MESSAGES[name])
        status = post(world, payload)
        runs = act_on_events(sync)
        shown = world.persons()[0]["name"]
        if name in IGNORED:
            assert (status, runs) == ("ignored", []), name
            assert shown != f"Nora {number}"
        else:
            assert status == "accepted", name
            assert shown == f"Nora {number}", name
        messages = [title for title in titles(world) if title.startswith("Message")]
        assert len(messages) == len(said), name
    assert world.rows("SELECT count(*) FROM inbox_event WHERE processed_at IS NULL") == [(0,)]
    assert len(world.persons()) == 1


def test_a_conversation_s_event_without_a_contact_is_about_whoever_it_belongs_to_now(world: World) -> None:
    sync = world.sync(**TALK)
    world.run(**TALK)
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        contact = changes.add_contact(connection, 1, name="Nora", email="nora@fjord.example")
        conversations.add_conversation(connection, contact, 1)
    payload = {
        "event": "conversation_created",
        "id": 1,
        "account": {"id": 1},
        "contact_inbox": None,
        "meta": {},
    }
    receive(world, payload)
    act_on_events(sync)
    assert [person["name"] for person in world.persons()] == ["Nora"]
    assert titles(world) == ["Conversation #1"]
    # One that Chatwoot does not have any more asks for nothing, and not for everything either.
    world.change(contact, name="Changed")
    receive(world, {**payload, "id": 99})
    assert act_on_events(sync) == []
    assert [person["name"] for person in world.persons()] == ["Nora"]
    assert world.rows("SELECT count(*) FROM inbox_event WHERE processed_at IS NULL") == [(0,)]
