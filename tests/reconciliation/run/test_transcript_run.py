"""Conversations as transcripts in whole runs, read back from both Krayins."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from krayin.text import TEXT_BYTES
from reconciliation.admin.contact_erasure import erase
from reconciliation.run.request import RunKind, RunRequest

from sandbox.chatwoot import conversations
from tests.reconciliation.run.test_activity_run import (
    NOON,
    SECRET,
    activities,
    ada_with_a_talk,
    chatwoot,
    say,
    writes,
)
from tests.reconciliation.world import api_world, on_each_krayin

if TYPE_CHECKING:
    from tests.reconciliation.world import World

WHOLE = {"transcript": "on_resolve"}
AGENT: dict[str, Any] = {"message_type": 1, "sender_type": "User", "sender_id": 1}
pytestmark = on_each_krayin


def chat(world: World, talk: int, length: int, start: int = 0) -> None:
    with chatwoot(world) as connection:
        for number in range(start, start + length):
            columns = AGENT if number % 2 else {}
            at = NOON + timedelta(minutes=number)
            conversations.add_message(connection, talk, f"No. {number}", created_at=at, **columns)


def set_status(world: World, status: int) -> None:
    world.chatwoot(f"UPDATE conversations SET status = {status}, updated_at = now()")


def differences(world: World, **settings: Any) -> list[tuple[Any, ...]]:
    world.compared(repairing=False, **settings)
    return world.rows("SELECT class, crm_kind, field FROM finding WHERE ended_at IS NULL")


def test_a_long_chat_costs_one_call_and_is_read_like_a_page(world: World) -> None:
    _, talk = ada_with_a_talk(world)
    chat(world, talk, 100)
    say(world, talk, SECRET, private=True, **AGENT)
    run = world.run(**WHOLE)
    assert writes(world, run.id) == ["POST leads"]
    assert run.summary["activities_skipped"] == {"not resolved yet": 1}
    assert differences(world, **WHOLE) == []
    set_status(world, 1)
    run = world.run(**WHOLE)
    assert writes(world, run.id) == ["POST activities"]
    (page,) = activities(world)
    assert (page["type"], page["title"], page["is_done"]) == ("note", "Conversation #1", True)
    head, _, said = page["comment"].partition("<br><br>Messages:<br>")
    assert head.startswith("Status: resolved<br>Inbox: Website (Website)<br>")
    assert [line for line in said.split("<br>") if line.startswith("No.")] == [f"No. {n}" for n in range(100)]
    assert SECRET not in page["comment"]
    assert world.calls(world.run(**WHOLE).id) == []
    assert writes(world, world.run(RunRequest(full=True), **WHOLE).id) == []
    assert differences(world, **WHOLE) == []
    keys = {"chatwoot": {"account_id": 1, "source": "api"}, **WHOLE}
    with api_world(world.chatwoot_url, world.sync_url, world.krayin, **keys) as by_api:
        assert writes(by_api, by_api.run(RunRequest(full=True)).id) == []


def test_what_is_said_after_it_was_reopened_comes_when_it_is_resolved_again(world: World) -> None:
    _, talk = ada_with_a_talk(world)
    chat(world, talk, 20)
    set_status(world, 1)
    world.run(**WHOLE)
    (before,) = activities(world)
    set_status(world, 0)
    chat(world, talk, 5, start=20)
    assert writes(world, world.run(**WHOLE).id) == []
    assert differences(world, **WHOLE) == []
    assert activities(world) == [before]
    set_status(world, 1)
    assert writes(world, world.run(**WHOLE).id) == ["PUT activities/{id}"]
    (after,) = activities(world)
    assert "No. 19" in before["comment"]
    assert "No. 24" in after["comment"]
    assert "No. 20" not in before["comment"]


def test_a_message_deleted_early_in_it_and_an_answer_after_it_make_a_difference(world: World) -> None:
    _, talk = ada_with_a_talk(world)
    first = say(world, talk, "My card is 4711", created_at=NOON)
    chat(world, talk, 30, start=1)
    set_status(world, 1)
    world.run(**WHOLE)
    with chatwoot(world) as connection:
        conversations.delete_message(connection, first)
    survey = {"submitted_values": {"csat_survey_response": {"rating": 5}}}
    say(world, talk, "Rate us", message_type=3, content_type=9, content_attributes=survey)
    assert [one[2] for one in differences(world, **WHOLE)] == ["comment"]
    world.run(**WHOLE)
    (page,) = activities(world)
    assert "4711" not in page["comment"]
    assert "(message deleted)" in page["comment"]
    assert page["comment"].endswith("Rating: 5 of 5")


@pytest.mark.parametrize("kept", [False, True])
def test_what_was_brought_over_another_way_is_the_same_activity_or_stays(world: World, kept: bool) -> None:
    """Of a conversation there is one activity, whatever it shows; its messages' own ones stay as they are."""
    _, talk = ada_with_a_talk(world)
    chat(world, talk, 12)
    set_status(world, 1)
    world.run(sync_conversations=True, sync_messages=True)
    ids = [row["id"] for row in activities(world)]
    now = {**WHOLE, "sync_conversations": kept}
    assert writes(world, world.run(**now).id) == ["PUT activities/{id}"]
    assert [row["id"] for row in activities(world)] == ids
    page, *said = activities(world)
    assert "Messages:<br>" in page["comment"]
    assert "No. 0" in page["comment"]
    assert len(said) == 12
    assert differences(world, **now) == []
    set_status(world, 0)
    run = world.run(**now)
    assert (writes(world, run.id) != []) == kept
    assert ("Latest messages:" in activities(world)[0]["comment"]) == kept


def test_with_history_the_past_does_not_come_again(world: World) -> None:
    _, talk = ada_with_a_talk(world)
    chat(world, talk, 3)
    set_status(world, 1)
    world.run(sync_messages=True)
    now = {**WHOLE, "history": NOON.date() + timedelta(days=1)}
    assert writes(world, world.run(**now).id) == []
    say(world, talk, "Hello again", created_at=NOON + timedelta(days=2))
    assert writes(world, world.run(**now).id) == ["POST activities"]


def test_it_is_bounded_backfilled_and_erased_as_the_others(world: World) -> None:
    contact, talk = ada_with_a_talk(world)
    say(world, talk, "Old", created_at=NOON - timedelta(days=3))
    for number in range(30):
        say(world, talk, f"No. {number} {'<plum>' * 500}", created_at=NOON + timedelta(minutes=number))
    set_status(world, 1)
    world.run()
    backfill = RunRequest(kind=RunKind.BACKFILL, contact_ids=frozenset({contact}))
    assert writes(world, world.run(backfill, **WHOLE).id) == ["POST activities"]
    (page,) = activities(world)
    assert len(page["comment"].encode()) <= TEXT_BYTES
    assert "No. 29 &lt;plum&gt;" in page["comment"]
    assert "of 31 messages:<br>" in page["comment"]
    erase(world.sync(**WHOLE), contact, also_adopted=False)
    assert activities(world) == []
