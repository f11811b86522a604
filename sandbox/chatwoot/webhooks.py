"""Webhooks as Chatwoot 4.15 sends them, with invented values."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import uuid
from typing import Any

JSON = dict[str, Any]


def contact(contact_id: int, account_id: int = 1, **values: Any) -> JSON:
    """Return a contact as it stands in payloads; it has no times and no labels there."""
    return {
        "account": {"id": account_id, "name": "Sandbox"},
        "additional_attributes": {"city": "Lisbon", "company_name": "Tejo Tiles"},
        "avatar": "",
        "custom_attributes": {"tier": "gold"},
        "email": f"person{contact_id}@tejo.example",
        "id": contact_id,
        "identifier": None,
        "name": f"Person {contact_id}",
        "phone_number": None,
        "thumbnail": "",
        "blocked": False,
        **values,
    }


def contact_created(contact_id: int, account_id: int = 1, **values: Any) -> JSON:
    """Return the event of a new contact."""
    return {**contact(contact_id, account_id, **values), "event": "contact_created"}


def contact_updated(contact_id: int, account_id: int = 1, **changed: Any) -> JSON:
    """Return the event of a changed contact; every change moves `updated_at`."""
    changes: list[JSON] = [
        {name: {"previous_value": None, "current_value": value}} for name, value in changed.items()
    ]
    moment = f"{time.time():.6f}"
    return {
        **contact(contact_id, account_id, **changed),
        "event": "contact_updated",
        "changed_attributes": [*changes, {"updated_at": {"previous_value": None, "current_value": moment}}],
    }


def conversation(display_id: int, contact_id: int, account_id: int | None = 1, **values: Any) -> JSON:
    """Return a conversation as it stands in payloads: `id` is the display id, `account` came with 4.14.2."""
    sender = {key: value for key, value in contact(contact_id).items() if key not in {"account", "avatar"}}
    account = {} if account_id is None else {"account": {"id": account_id, "name": "Sandbox"}}
    return {
        "additional_attributes": {},
        "can_reply": True,
        "channel": "Channel::Api",
        "contact_inbox": {
            "id": 70_000 + contact_id,
            "contact_id": contact_id,
            "inbox_id": 2,
            "source_id": "x",
        },
        "id": display_id,
        "inbox_id": 2,
        "messages": [],
        "labels": [],
        "meta": {"sender": {**sender, "type": "contact"}, "assignee": None, "hmac_verified": False},
        "status": "open",
        "custom_attributes": {},
        "priority": None,
        "created_at": 1_781_000_000,
        "updated_at": 1_781_000_000.25,
        **account,
        **values,
    }


def message(message_id: int, display_id: int, contact_id: int, event: str, **values: Any) -> JSON:
    """Return a message event; its conversation shows the latest message, which may be another one."""
    latest = {"id": message_id + 5, "account_id": 1, "conversation_id": display_id, "message_type": 1}
    return {
        "account": {"id": 1, "name": "Sandbox"},
        "content": "Hello",
        "content_type": "text",
        "content_attributes": {},
        "conversation": conversation(display_id, contact_id, messages=[latest]),
        "created_at": "2026-06-01T10:00:00.000Z",
        "id": message_id,
        "inbox": {"id": 2, "name": "API"},
        "message_type": "incoming",
        "private": False,
        "sender": contact(contact_id),
        "source_id": None,
        "event": event,
        **values,
    }


def encode(payload: JSON) -> bytes:
    """Return the body as Rails writes it: no blanks, raw UTF-8, `<`, `>` and `&` escaped."""
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.encode()


def headers(secret: str | None, body: bytes, *, at: float | None = None, delivery: str | None = None) -> JSON:
    """Return the headers Chatwoot 4.11.2 sends, unsigned when there is no secret; `at` is Unix time."""
    sent = {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "X-Chatwoot-Delivery": delivery or str(uuid.uuid4()),
    }
    if secret is not None:
        moment = str(int(time.time() if at is None else at))
        digest = hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()
        sent |= {"X-Chatwoot-Timestamp": moment, "X-Chatwoot-Signature": f"sha256={digest}"}
    return sent
