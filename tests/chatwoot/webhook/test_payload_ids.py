from __future__ import annotations

import json

import pytest
from chatwoot.webhook.payload_ids import (
    CONTACT_EVENTS,
    CONVERSATION_EVENTS,
    MESSAGE_EVENTS,
    SUBSCRIPTIONS,
    EntityRef,
    Flaw,
    UnreadablePayloadError,
    notice_of,
    parsed,
)
from hypothesis import given
from hypothesis import strategies as st

from sandbox.chatwoot import webhooks


def read(payload):
    return notice_of(parsed(webhooks.encode(payload)))


def refs(payload):
    return [str(entity) for entity in read(payload).entities]


@pytest.mark.parametrize("event", sorted(CONTACT_EVENTS))
def test_a_contact_event_names_its_contact(event):
    notice = read({**webhooks.contact(31, 4), "event": event})
    assert (notice.event, notice.account_id) == (event, 4)
    assert notice.entities == (EntityRef("contact", 31),)


@pytest.mark.parametrize("event", sorted(CONVERSATION_EVENTS))
def test_the_id_of_a_conversation_is_its_display_id_and_its_contact_that_of_the_contact_inbox(event):
    payload = {**webhooks.conversation(12, 31, 4), "event": event, "changed_attributes": None}
    assert read(payload).account_id == 4
    assert refs(payload) == ["contact:31", "conversation:12"]


def test_before_4_14_2_the_account_of_a_conversation_is_that_of_its_message():
    payload = {**webhooks.conversation(12, 31, None), "event": "conversation_updated"}
    assert read(payload).account_id is None
    assert read({**payload, "messages": [{"id": 9, "account_id": 4}]}).account_id == 4


def test_during_a_merge_both_contacts_are_read_anew():
    payload = {**webhooks.conversation(12, 31), "event": "conversation_updated"}
    payload["meta"]["sender"]["id"] = 30
    assert refs(payload) == ["contact:30", "contact:31", "conversation:12"]


@pytest.mark.parametrize("event", sorted(MESSAGE_EVENTS))
def test_a_message_is_the_one_of_the_top_not_the_latest_of_its_conversation(event):
    payload = webhooks.message(900, 12, 31, event)
    assert payload["conversation"]["messages"][0]["id"] != 900
    assert refs(payload) == ["contact:31", "conversation:12", "message:900"]


@pytest.mark.parametrize(
    "values",
    [
        {"message_type": "outgoing", "sender": {"id": 31, "name": "Bot", "type": "agent_bot"}},
        {"message_type": "template", "content_type": "input_csat", "sender": None},
        {"content": "This message was deleted", "content_attributes": {"deleted": True}},
    ],
    ids=["bot", "survey", "deleted"],
)
def test_who_sent_a_message_does_not_matter(values):
    assert refs(webhooks.message(900, 12, 31, "message_updated", **values)) == [
        "contact:31", "conversation:12", "message:900",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "event",
    ["conversation_typing_on", "conversation_typing_off", "webwidget_triggered", "inbox_created",
     "automation_event.conversation_updated", "macro.executed", "contact_deleted"],
)  # fmt: skip
def test_other_events_name_nothing(event):
    payload = {"event": event, "contact": webhooks.contact(3), "id": 4, "user": {"id": 5}, "source_id": "x"}
    assert refs(payload) == []


def test_unknown_keys_are_no_matter():
    assert refs({**webhooks.contact_created(3), "performed_by": {"type": "User", "id": 3}}) == ["contact:3"]


@pytest.mark.parametrize(
    ("body", "flaw"),
    [
        (b"", Flaw.NOT_JSON),
        (b"event=contact_created", Flaw.NOT_JSON),
        (b'{"event":"contact_created"', Flaw.NOT_JSON),
        (b'{"event":"contact_created","id":' + b"9" * 5000 + b"}", Flaw.NOT_JSON),
        (b'{"event":"contact_created","name":"\xff"}', Flaw.NOT_UTF8),
        ('{"event":"contact_created","id":1}'.encode("utf-16"), Flaw.NOT_UTF8),
        (b'{"event":"contact_created","a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", Flaw.TOO_DEEP),
        (b"[]", Flaw.NO_OBJECT),
        (b"null", Flaw.NO_OBJECT),
        (b"{}", Flaw.NO_EVENT),
        (b'{"event":7}', Flaw.NO_EVENT),
        (b'{"event":"contact_created"}', Flaw.NO_ID),
        (b'{"event":"contact_created","id":true}', Flaw.NO_ID),
        (b'{"event":"contact_created","id":-1}', Flaw.NO_ID),
        (b'{"event":"contact_created","id":1.0}', Flaw.NO_ID),
        (b'{"event":"contact_created","id":9223372036854775808}', Flaw.NO_ID),
        (b'{"event":"conversation_created","contact_inbox":{"contact_id":1}}', Flaw.NO_ID),
        (b'{"event":"message_created","id":1,"conversation":[]}', Flaw.NO_ID),
    ],
)
def test_a_body_that_is_not_chatwoots_is_told_apart_and_not_quoted(body, flaw):
    with pytest.raises(UnreadablePayloadError) as caught:
        notice_of(parsed(body))
    assert caught.value.flaw is flaw
    assert str(caught.value) == str(flaw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("id", "account", "contact_inbox", "meta", "messages", "conversation", "sender")


@given(st.sampled_from([*SUBSCRIPTIONS, "other"]), st.dictionaries(st.sampled_from(KEYS), JSON))
def test_any_json_gives_ids_or_that_one_error(event, payload):
    try:
        notice = notice_of(parsed(json.dumps({**payload, "event": event}).encode()))
    except UnreadablePayloadError:
        return
    assert all(0 < entity.id < 2**63 for entity in notice.entities)
    assert [EntityRef.parse(str(entity)) for entity in notice.entities] == list(notice.entities)
    assert notice.account_id is None or 0 < notice.account_id < 2**63


@given(st.binary(max_size=300))
def test_any_bytes_give_that_one_error_at_most(body):
    try:
        notice_of(parsed(body))
    except UnreadablePayloadError:
        return
