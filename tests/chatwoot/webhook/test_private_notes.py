from __future__ import annotations

import json

from chatwoot.webhook.payload_ids import notice_of, parsed
from chatwoot.webhook.private_notes import without_private_notes as of_payload

NOTE = {
    "id": 7,
    "private": True,
    "content": "aardvark",
    "processed_message_content": "aardvark",
    "message_type": 1,
}


def without_private_notes(body: bytes) -> bytes:
    return of_payload(body, json.loads(body))


def conversation(message: dict[str, object]) -> bytes:
    payload = {
        "event": "conversation_updated", "id": 3, "account": {"id": 1}, "messages": [message],
        "contact_inbox": {"contact_id": 5}, "last_non_activity_message": {**message, "attachments": ["aardvark.pdf"]},
    }  # fmt: skip
    return json.dumps(payload).encode()


def test_what_a_private_note_says_is_taken_out_wherever_it_stands() -> None:
    body = conversation(NOTE)
    kept = without_private_notes(body)
    assert b"aardvark" not in kept
    assert notice_of(parsed(kept)) == notice_of(parsed(body))
    assert json.loads(kept)["messages"] == [{"id": 7, "private": True, "message_type": 1}]


def test_other_bodies_stay_as_they_came() -> None:
    body = conversation({**NOTE, "private": False})
    assert without_private_notes(body) == body
    assert (
        without_private_notes(b'{"event":"contact_updated","id":1}') == b'{"event":"contact_updated","id":1}'
    )


def test_the_event_of_a_private_note_asks_for_nothing() -> None:
    body = json.dumps(
        {**NOTE, "event": "message_created", "account": {"id": 1}, "conversation": {"id": 3}}
    ).encode()
    assert notice_of(parsed(body)).entities == ()


def test_odd_letters_and_deep_nesting_beside_a_private_note_do_not_matter() -> None:
    body = b'{"messages":[{"private":true,"content":"aardvark","status":"\\ud800"}]}'
    assert without_private_notes(body) == b'{"messages": [{"private": true, "status": "\\ud800"}]}'
    deep = b'{"private":false,"a":' + b"[" * 400 + b"]" * 400 + b"}"
    assert without_private_notes(deep) == deep
