"""Whole runs with conversations and messages, read back from the stand-in."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from reconciliation.run.request import RunRequest
from reconciliation.run.summary import lines_of

from sandbox.chatwoot import changes, conversations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection

    from tests.reconciliation.world import World

ACCOUNT = 1
NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
BOTH = {"sync_conversations": True, "sync_messages": True}
SECRET = "plum-secret-word"


@contextmanager
def chatwoot(world: World) -> Iterator[Connection[Any]]:
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        yield connection


def inbox(connection: Connection[Any], channel_type: str) -> int:
    row = connection.execute(
        "SELECT id FROM inboxes WHERE account_id = 1 AND channel_type = %s", (channel_type,)
    ).fetchone()
    assert row
    return int(row[0])


def activities(world: World) -> list[dict[str, Any]]:
    """What is in Krayin beside its own entries, in order."""
    rows = world.api("GET", "activities?pagination=0&type=note,call,email")["data"]
    return sorted(rows, key=lambda row: row["id"])


def linked(world: World, person_id: int) -> set[int]:
    rows = world.api("GET", f"contacts/persons/{person_id}/activities")["data"]
    return {row["id"] for row in rows if row["type"] != "system"}


def writes(world: World, run_id: int) -> list[str]:
    return [f"{method} {route}" for method, route, _ in world.calls(run_id) if method != "GET"]


def ada_with_a_talk(world: World, channel: str = "Channel::WebWidget", **columns: Any) -> tuple[int, int]:
    with chatwoot(world) as connection:
        contact = changes.add_contact(connection, ACCOUNT, name="Ada", email="ada@example.com")
        talk = conversations.add_conversation(
            connection, contact, inbox(connection, channel), created_at=NOON, **columns
        )
    return contact, talk


def say(world: World, talk: int, text: str | None, **columns: Any) -> int:
    with chatwoot(world) as connection:
        return conversations.add_message(connection, talk, text, **columns)


def test_a_conversation_and_its_message_become_notes_of_the_person(world: World) -> None:
    _, talk = ada_with_a_talk(world)
    say(world, talk, "Do you <b>sell</b>\nplums & pears?", created_at=NOON)
    say(world, talk, SECRET, message_type=1, private=True, sender_type="User", sender_id=1)
    run = world.run(**BOTH)
    (person,) = world.persons()
    talked, said = activities(world)
    assert (talked["type"], talked["title"], talked["is_done"]) == ("note", "Conversation #1", False)
    assert (said["type"], said["title"], said["is_done"]) == (
        "note",
        "Message from Ada - Conversation #1",
        True,
    )
    assert "Do you &lt;b&gt;sell&lt;/b&gt;<br>plums &amp; pears?" in said["comment"]
    assert "Do you &lt;b&gt;sell&lt;/b&gt;<br>plums &amp; pears?" in talked["comment"]
    assert talked["comment"].startswith("Status: open<br>Inbox: Website (Website)<br>")
    assert linked(world, person["id"]) == {talked["id"], said["id"]}
    assert set(talked["additional"]) == {"chatwoot"}
    assert talked["additional"]["chatwoot"].endswith(":conversation:1:1")
    assert talked["participants"] == []
    assert run.summary["created"]["activity"] == 2
    # A note has no time in Krayin, so none counts as sent.
    kept = "SELECT last_sent ? 'schedule_to' FROM mapping WHERE crm_kind = 'activity'"
    assert world.rows(kept) == [(False,), (False,)]
    assert writes(world, run.id) == [
        "POST leads",
        "POST activities",
        "POST activities",
        "POST activities/mass-update",
    ]
    assert world.calls(world.run(**BOTH).id) == []
    assert world.calls(world.run(RunRequest(full=True), **BOTH).id) == []


@pytest.mark.parametrize("on_crm_edit", ["keep", "overwrite"])
def test_participants_whom_a_salesperson_added_are_not_mailed(world: World, on_crm_edit: str) -> None:
    """Krayin mails the participants of a call at every change, also when it is marked done."""
    settings = {"sync_conversations": True, "on_crm_edit": on_crm_edit}
    _, talk = ada_with_a_talk(world, "Channel::Whatsapp")
    say(world, talk, "Hello", created_at=NOON)
    world.run(**settings)
    (person,), (call,) = world.persons(), activities(world)
    assert call["type"] == "call"
    world.api("PUT", f"activities/{call['id']}", {"participants": {"persons": [person["id"]]}})
    mailed = len(world.krayin.mails())
    assert mailed
    say(world, talk, "Are you there?", created_at=NOON + timedelta(hours=1))
    with chatwoot(world) as connection:
        connection.execute("UPDATE conversations SET status = 1, updated_at = now()")
    run = world.run(**settings)
    assert writes(world, run.id) == []
    assert len(world.krayin.mails()) == mailed
    (left,) = activities(world)
    assert (left["comment"], left["is_done"], left["participants"]) == (
        call["comment"],
        False,
        left["participants"],
    )
    assert left["participants"]
    assert world.calls(world.run(**settings).id) == []
    # Without participants it follows the conversation again.
    world.api("PUT", f"activities/{call['id']}", {"participants": {}})
    say(world, talk, "Still there?", created_at=NOON + timedelta(hours=2))
    world.run(**settings)
    (followed,) = activities(world)
    assert "Still there?" in followed["comment"]
    assert followed["is_done"]
    assert len(world.krayin.mails()) == mailed


def test_nothing_happens_while_the_switches_are_off(world: World) -> None:
    _, talk = ada_with_a_talk(world)
    say(world, talk, "Hello")
    run = world.run()
    assert activities(world) == []
    assert "activities_read" not in run.summary
    later = world.run(sync_messages=True)
    assert [row["title"] for row in activities(world)] == ["Message from Ada - Conversation #1"]
    assert writes(world, later.id) == ["POST activities"]
    assert later.summary["read"] == 0


def test_a_conversation_updated_twenty_times_costs_one_update(world: World) -> None:
    _, talk = ada_with_a_talk(world)
    world.run(sync_conversations=True)
    for number in range(20):
        say(world, talk, f"message {number}", created_at=NOON + timedelta(minutes=number))
    run = world.run(sync_conversations=True)
    assert writes(world, run.id) == ["PUT activities/{id}"]
    (talked,) = activities(world)
    assert "message 19" in talked["comment"]
    assert "message 9<br>" not in talked["comment"]
    assert world.calls(world.run(sync_conversations=True).id) == []


def test_a_call_is_scheduled_and_marked_done_together_with_others(world: World) -> None:
    _, talk = ada_with_a_talk(world, "Channel::Sms", status=1)
    for number in range(5):
        say(world, talk, f"text {number}", created_at=NOON + timedelta(minutes=number))
    run = world.run(**BOTH)
    rows = activities(world)
    assert {row["type"] for row in rows} == {"call"}
    assert all(row["is_done"] for row in rows)
    assert writes(world, run.id).count("POST activities/mass-update") == 1
    starts = [datetime.fromisoformat(row["schedule_from"]) for row in rows]
    assert starts == [NOON, *(NOON + timedelta(minutes=number) for number in range(5))]
    with chatwoot(world) as connection:
        conversations.change_conversation(connection, talk, status=0)
    again = world.run(**BOTH)
    assert writes(world, again.id) == ["PUT activities/{id}", "POST activities/mass-update"]
    assert [row["is_done"] for row in activities(world)] == [False, *[True] * 5]


@pytest.mark.parametrize(("link", "person", "lead"), [("person", 1, 0), ("lead", 0, 1), ("both", 1, 1)])
def test_what_an_activity_hangs_on(world: World, link: str, person: int, lead: int) -> None:
    ada_with_a_talk(world)
    run = world.run(sync_conversations=True, activity_link=link)
    (talked,) = activities(world)
    (ada,), (deal,) = world.persons(), world.leads()
    of_lead = [
        row["id"]
        for row in world.api("GET", f"leads/{deal['id']}/activities")["data"]
        if row["type"] == "note"
    ]
    assert len(linked(world, ada["id"])) == person
    assert of_lead == [talked["id"]] * lead
    assert writes(world, run.id).count("PUT activities/{id}") == (link == "both")
    assert world.calls(world.run(sync_conversations=True, activity_link=link).id) == []


def test_a_quarantined_contact_keeps_its_talk_waiting_until_it_is_linked(world: World) -> None:
    for number in (1, 2):
        world.api(
            "POST",
            "contacts/persons",
            {
                "name": f"P{number}",
                "emails": [{"value": f"p{number}@example.com", "label": "work"}],
                "contact_numbers": [{"value": f"+1415555010{number}", "label": "work"}],
            },
        )
    with chatwoot(world) as connection:
        contact = changes.add_contact(
            connection, ACCOUNT, name="Ada", email="p1@example.com", phone_number="+14155550102"
        )
        conversations.add_conversation(connection, contact, inbox(connection, "Channel::WebWidget"))
    run = world.run(sync_conversations=True)
    assert run.summary["activities_waiting_for_contact"] == 1
    assert activities(world) == []
    world.change(contact, phone_number=None)
    world.run(sync_conversations=True)
    (talked,) = activities(world)
    owner = world.persons()[0]
    assert linked(world, owner["id"]) == {talked["id"]}


def test_a_contact_left_out_is_counted_and_its_talk_follows_when_it_is_not_any_more(world: World) -> None:
    with chatwoot(world) as connection:
        nobody = changes.add_contact(connection, ACCOUNT, name="visitor")
        talk = conversations.add_conversation(connection, nobody, inbox(connection, "Channel::WebWidget"))
        conversations.add_message(connection, talk, "anybody there?")
    run = world.run(**BOTH)
    assert run.summary["activities_skipped"] == {"its contact is not brought over": 2}
    assert world.rows("SELECT count(*) FROM operation WHERE source_kind <> 'contact'") == [(0,)]
    world.change(nobody, email="visitor@example.com")
    run = world.run(**BOTH)
    assert len(activities(world)) == 2
    assert run.summary["activities_of_new_contacts"] == {"conversation": 1, "message": 1}
    assert any("1 conversation, 1 message" in line for line in lines_of(run))
    assert run.summary["activities_moved"] == 0


def test_a_deleted_contact_s_talk_is_counted(world: World) -> None:
    contact, talk = ada_with_a_talk(world)
    say(world, talk, "Hi")
    with chatwoot(world) as connection:
        connection.execute("UPDATE conversations SET contact_id = NULL WHERE contact_id = %s", (contact,))
        connection.execute("DELETE FROM contacts WHERE id = %s", (contact,))
    run = world.run(**BOTH)
    assert run.summary["activities_skipped"] == {"its contact was deleted": 2}
    assert activities(world) == []


def test_a_window_brings_the_contact_of_an_old_conversation(world: World) -> None:
    with chatwoot(world) as connection:
        old = NOON - timedelta(days=300)
        contact = changes.add_contact(
            connection, ACCOUNT, name="Old", email="old@example.com", created_at=old, updated_at=old
        )
        conversations.add_conversation(
            connection, contact, inbox(connection, "Channel::WebWidget"), created_at=NOON
        )
    world.run(
        RunRequest(window=(NOON - timedelta(days=1), NOON + timedelta(days=1))), sync_conversations=True
    )
    assert [row["title"] for row in activities(world)] == ["Conversation #1"]
    assert len(world.persons()) == 1


def test_a_conversation_moved_by_a_merge_hangs_on_the_other_person_too(world: World) -> None:
    mergee, talk = ada_with_a_talk(world)
    say(world, talk, "Hi", message_type=1, sender_type="User", sender_id=1)
    with chatwoot(world) as connection:
        base = changes.add_contact(
            connection,
            ACCOUNT,
            inbox_id=inbox(connection, "Channel::Email"),
            name="Base",
            email="base@example.com",
        )
        changes.link_inbox(connection, mergee, inbox(connection, "Channel::WebWidget"), "ada")
    world.run(**BOTH)
    with chatwoot(world) as connection:
        changes.merge_contacts(connection, base, mergee)
    run = world.run(**BOTH)
    assert run.summary["activities_moved"] == 2
    assert any("2 activities now belong to another person" in line for line in lines_of(run))
    person = next(row for row in world.persons() if row["name"] == "Base")
    assert linked(world, person["id"]) == {row["id"] for row in activities(world)}
    assert len(activities(world)) == 2


def test_a_deleted_message_becomes_a_remark(world: World) -> None:
    _, talk = ada_with_a_talk(world)
    message = say(world, talk, SECRET)
    world.run(**BOTH)
    with chatwoot(world) as connection:
        conversations.delete_message(connection, message)
    world.run(**BOTH)
    talked, said = activities(world)
    assert said["comment"].endswith("<br>(message deleted)")
    assert SECRET not in talked["comment"] + said["comment"]


def test_history_bounds_what_comes_over_and_not_what_is_there(world: World) -> None:
    _, talk = ada_with_a_talk(world)
    say(world, talk, "old", created_at=NOON)
    say(world, talk, "new", created_at=NOON + timedelta(days=60))
    world.run(history="2026-06-01", **BOTH)
    talked, said = activities(world)
    assert (talked["title"], "new" in said["comment"]) == ("Conversation #1", True)


def test_what_a_salesperson_wrote_stays(world: World) -> None:
    _, talk = ada_with_a_talk(world)
    world.run(sync_conversations=True)
    (talked,) = activities(world)
    world.api("PUT", f"activities/{talked['id']}", {"comment": "call back on Monday"})
    say(world, talk, "news")
    run = world.run(sync_conversations=True)
    assert writes(world, run.id) == []
    assert activities(world)[0]["comment"] == "call back on Monday"
    say(world, talk, "more news")
    world.run(sync_conversations=True, on_crm_edit="overwrite")
    assert "more news" in activities(world)[0]["comment"]


def test_a_deleted_activity_stays_deleted_unless_asked(world: World) -> None:
    _, talk = ada_with_a_talk(world)
    world.run(sync_conversations=True)
    world.api("DELETE", f"activities/{activities(world)[0]['id']}")
    say(world, talk, "news")
    run = world.run(sync_conversations=True)
    assert activities(world) == []
    assert run.summary["operations"] == {"rejected": 1}
    say(world, talk, "more news")
    world.run(sync_conversations=True, recreate_deleted=True)
    assert len(activities(world)) == 1


def test_a_dry_run_says_what_would_come_over_and_keeps_nothing(world: World) -> None:
    _, talk = ada_with_a_talk(world)
    for number in range(3):
        say(world, talk, f"message {number}")
    stages = {"stage_progression_enabled": True, "stage_on_conversation_created": 2}
    dry = world.run(RunRequest(dry_run=True), **BOTH, **stages)
    assert dry.summary["activities_planned"] == {"create": 4, "move": 1}
    assert any("4 create" in line for line in lines_of(dry))
    assert activities(world) == []
    assert world.rows("SELECT count(*) FROM operation") == [(0,)]
    assert world.rows("SELECT count(*) FROM staged_activity") == [(0,)]
    run = world.run(**BOTH, **stages)
    assert run.summary["activities_planned"] == {"create": 4, "move": 1}
    assert run.summary["stages"] == {"moved": 1}
    made = len(writes(world, run.id))
    # The lead is made in its stage.
    assert made == 1 + 4 + 1


def test_two_workers_make_every_activity_once(world: World) -> None:
    with chatwoot(world) as connection:
        for person in range(4):
            contact = changes.add_contact(
                connection, ACCOUNT, name=f"N{person}", email=f"n{person}@example.com"
            )
            talk = conversations.add_conversation(connection, contact, inbox(connection, "Channel::Sms"))
            for number in range(8):
                conversations.add_message(connection, talk, f"{number}", created_at=NOON)
    sync = world.sync(**BOTH)
    run_id = sync.plan(RunRequest())
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(sync.load, run_id) for _ in range(2)]:
            done.result()
    rows = activities(world)
    keys = [row["additional"]["chatwoot"] for row in rows]
    assert len(keys) == len(set(keys)) == 4 * 9
    assert sum(row["is_done"] for row in rows) == 4 * 8
    assert world.rows("SELECT count(*) FROM activity_mark") == [(0,)]


def test_what_was_said_with_a_new_contact_comes_in_the_order_it_was_said(world: World) -> None:
    _, talk = ada_with_a_talk(world)
    for number in range(12):
        say(world, talk, f"No. {number}", created_at=NOON + timedelta(minutes=number))
    world.run(sync_messages=True)
    said = [row["comment"].rpartition("<br>")[2] for row in activities(world)]
    assert said == [f"No. {number}" for number in range(12)]


def test_a_mail_an_answer_and_a_call_come_over_readable(world: World) -> None:
    _, talk = ada_with_a_talk(world, "Channel::Email", additional_attributes={"mail_subject": "Order 17"})
    mail = {"subject": "Order 17", "text_content": {"reply": ""}, "html_content": {"full": "<p>Hello</p>"}}
    say(world, talk, None, content_type=8, content_attributes={"email": mail})
    survey = {"message_type": 3, "content_type": 9}
    answer = {"submitted_values": {"csat_survey_response": {"rating": 4, "feedback_message": "Fine"}}}
    say(world, talk, SECRET, content_attributes={"display_type": "emoji"}, **survey)
    say(world, talk, SECRET, content_attributes=answer, **survey)
    call = say(world, talk, "Voice Call", content_type=12, content_attributes={"data": {"status": "ringing"}})
    world.run(**BOTH)
    conversation, *said = [row["comment"] for row in activities(world)]
    assert conversation.startswith("Subject: Order 17<br>Status: open<br>")
    assert [one.rpartition(":<br>")[2] for one in said] == [
        "Hello", "Rating: 4 of 5<br>Fine", "Voice Call<br>Call: ringing",
    ]  # fmt: skip
    assert said[0].startswith("Subject: Order 17<br>")
    assert SECRET not in str(activities(world))
    data = {"data": {"status": "completed", "call_direction": "inbound", "duration_seconds": 125}}
    with chatwoot(world) as connection:
        connection.execute(
            "UPDATE messages SET content_attributes = to_json(%s::text) WHERE id = %s",
            (json.dumps(data), call),
        )
    world.run(**BOTH)
    assert activities(world)[-1]["comment"].endswith("Call: incoming, completed, 2 min 5 s")
    assert writes(world, world.run(RunRequest(full=True), **BOTH).id) == []
