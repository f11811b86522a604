"""Takes private notes out of what Chatwoot sends: agents write them for each other only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

# Everything else of a message is ids, times and marks.
SAYING = frozenset({"content", "processed_message_content", "content_attributes", "attachments", "echo_id"})


def is_private_note(payload: Any) -> bool:
    """Tell whether a webhook's payload is itself a private note."""
    return isinstance(payload, dict) and payload.get("private") is True


def without_private_notes(body: bytes, payload: Any) -> bytes:
    """Return a webhook's body without what private notes say, wherever they stand in it.

    Conversation events carry the conversation's latest message, which may be one. A body without
    any is returned as it came. `payload` is what `body` holds; private notes in it lose their words.

    Raises:
        RecursionError: it is nested too deeply to be written anew.
    """
    if b'"private"' not in body:
        return body
    notes = list(_private_notes(payload))
    for note in notes:
        for key in SAYING & note.keys():
            del note[key]
    if not notes:
        return body
    try:
        # Raw letters as Chatwoot writes them, so that a value is found in it by its bytes.
        return json.dumps(payload, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair.
        return json.dumps(payload).encode()


def _private_notes(payload: Any) -> Iterator[dict[str, Any]]:
    # Without recursion: JSON may be nested deeper than Python's stack.
    waiting = [payload]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
            if is_private_note(value):
                yield value
        elif isinstance(value, list):
            waiting.extend(value)
