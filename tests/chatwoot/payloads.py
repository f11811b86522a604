"""The payloads of Chatwoot 4.15's webhooks, complete as sent, with invented values; one a line in `payloads.jsonl`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CONTACT, CONVERSATION = 5120, 31
PAYLOADS: dict[str, dict[str, Any]] = {
    line["name"]: line["payload"]
    for line in map(
        json.loads, Path(__file__).with_name("payloads.jsonl").read_text(encoding="utf-8").splitlines()
    )
}
# Which message each is about; conversation events are about none.
MESSAGES = {
    "message_created": 88001,
    "message_created agent_reply": 88002,
    "message_created agent_bot": 88004,
    "message_created template_csat": 88010,
    "message_updated": 88002,
    "message_updated deleted": 88001,
}
IGNORED = {"conversation_typing_on", "message_created private_note", "webwidget_triggered"}


def entities(name: str) -> list[str]:
    """What the payload called `name` asks to be read anew."""
    contact, conversation = f"contact:{CONTACT}", f"conversation:{CONVERSATION}"
    if name in IGNORED:
        return []
    if name.startswith("contact_"):
        return [contact]
    if name in MESSAGES:
        return [contact, conversation, f"message:{MESSAGES[name]}"]
    return [contact, conversation]
