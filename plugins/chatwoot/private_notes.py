"""Takes private notes out of what Chatwoot sends: agents write them for each other only."""

from __future__ import annotations

import json
from typing import Any

# Everything else of a message is ids, times and marks.
SAYING = frozenset({"content", "processed_message_content", "content_attributes", "attachments", "echo_id"})


def is_private_note(payload: Any) -> bool:
    """Tell whether a webhook's payload is itself a private note."""
    return isinstance(payload, dict) and payload.get("private") is True


def without_private_notes(body: bytes) -> bytes:
    """Return a webhook's body without what private notes say, wherever they stand in it.

    Conversation events carry the conversation's latest message, which may be one. A body without
    any is returned as it came. `body` must be JSON.
    """
    if b'"private"' not in body:
        return body
    payload = json.loads(body)
    cleaned = _cleaned(payload)
    return body if cleaned == payload else json.dumps(cleaned, ensure_ascii=False).encode()


def _cleaned(value: Any) -> Any:
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = value.items()
    if is_private_note(value):
        kept = {key: item for key, item in kept if key not in SAYING}.items()
    return {key: _cleaned(item) for key, item in kept}
