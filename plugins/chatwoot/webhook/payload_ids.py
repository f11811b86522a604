"""Which entities a webhook's payload speaks of, and nothing else of it.

Chatwoot 4's payloads are treacherous: a conversation's `id` is its display id, which is unique within
an account only; the database id is nowhere. The account is missing in conversation payloads before
4.14.2. `messages` holds the conversation's latest message, not the one the event is about. So a payload
is taken for a hint that something may have changed, and everything is read anew.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, cast, get_args

from chatwoot.webhook.private_notes import is_private_note

Kind = Literal["contact", "conversation", "message"]
LARGEST_ID = 2**63 - 1

CONTACT_EVENTS = frozenset({"contact_created", "contact_updated"})
CONVERSATION_EVENTS = frozenset(
    {"conversation_created", "conversation_updated", "conversation_status_changed"}
)
MESSAGE_EVENTS = frozenset({"message_created", "message_updated"})
SUBSCRIPTIONS = tuple(sorted(CONTACT_EVENTS | CONVERSATION_EVENTS | MESSAGE_EVENTS))
"""The events a sync needs; all others (typing, widget, inboxes) are accepted and left alone."""


class Flaw(StrEnum):
    """Why a body is not what Chatwoot sends."""

    NOT_UTF8 = "the body is not UTF-8"
    TOO_DEEP = "the body is nested too deeply"
    NOT_JSON = "the body is not JSON"
    NO_OBJECT = "the body is not a JSON object"
    NO_EVENT = "the body names no event"
    NO_ID = "the event lacks an id it always has"


class UnreadablePayloadError(ValueError):
    """The body is not what Chatwoot sends; `flaw` says why and quotes nothing of it."""

    def __init__(self, flaw: Flaw) -> None:
        self.flaw = flaw
        super().__init__(str(flaw))


@dataclass(frozen=True, slots=True, order=True)
class EntityRef:
    """An entity that may have changed; the id of a conversation is its display id."""

    kind: Kind
    id: int

    def __str__(self) -> str:
        """Return it as "kind:id"."""
        return f"{self.kind}:{self.id}"

    @classmethod
    def parse(cls, text: str) -> EntityRef:
        """Return what `str` gave; raises ValueError for anything else."""
        kind, _, number = text.partition(":")
        if kind not in get_args(Kind):
            message = f"no kind of entity: {kind!r}"
            raise ValueError(message)
        return cls(cast("Kind", kind), int(number))


@dataclass(frozen=True, slots=True)
class Notice:
    """What a payload tells: its event, its account if it names one, and the entities to read anew."""

    event: str
    account_id: int | None
    entities: tuple[EntityRef, ...]


def parsed(body: bytes) -> dict[str, Any]:
    """Return the object that a webhook's body holds.

    Raises:
        UnreadablePayloadError: not UTF-8, not JSON, nested too deeply, or no object.
    """
    try:
        payload = json.loads(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise UnreadablePayloadError(Flaw.NOT_UTF8) from None
    except RecursionError:
        raise UnreadablePayloadError(Flaw.TOO_DEEP) from None
    except ValueError:
        # Also numbers of thousands of digits.
        raise UnreadablePayloadError(Flaw.NOT_JSON) from None
    if not isinstance(payload, dict):
        raise UnreadablePayloadError(Flaw.NO_OBJECT)
    return payload


def notice_of(payload: dict[str, Any]) -> Notice:
    """Return what a webhook's payload tells; unknown keys and events are no error.

    Raises:
        UnreadablePayloadError: no `event`, or an event we act upon that lacks the ids it always has.
    """
    event = payload.get("event")
    if not isinstance(event, str) or not event or len(event) > 100:
        raise UnreadablePayloadError(Flaw.NO_EVENT)
    if event in CONTACT_EVENTS:
        return Notice(event, _account(payload), (EntityRef("contact", _required_id(payload)),))
    if event in CONVERSATION_EVENTS:
        return Notice(event, _account(payload), _of_conversation(payload))
    if event in MESSAGE_EVENTS and not is_private_note(payload):
        conversation = _object(payload, "conversation")
        account = _account(payload)
        message = EntityRef("message", _required_id(payload))
        return Notice(
            event,
            _account(conversation) if account is None else account,
            (*_of_conversation(conversation), message),
        )
    return Notice(event, _account(payload), ())


def _of_conversation(conversation: dict[str, Any]) -> tuple[EntityRef, ...]:
    # The row of contact_inboxes is whole; `meta.sender` is the contact as well and may differ during a merge.
    named = (
        _id(_object(conversation, "contact_inbox").get("contact_id")),
        _id(_object(_object(conversation, "meta"), "sender").get("id")),
    )
    refs = sorted({EntityRef("contact", number) for number in named if number is not None})
    return (*refs, EntityRef("conversation", _required_id(conversation)))


def _account(payload: dict[str, Any]) -> int | None:
    named = _id(_object(payload, "account").get("id"))
    if named is not None:
        return named
    messages = payload.get("messages")
    if isinstance(messages, list) and messages and isinstance(messages[0], dict):
        return _id(messages[0].get("account_id"))
    return None


def _object(payload: dict[str, Any], key: str) -> dict[str, Any]:
    value = payload.get(key)
    return value if isinstance(value, dict) else {}


def _id(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_ID:
        return value
    return None


def _required_id(payload: dict[str, Any]) -> int:
    number = _id(payload.get("id"))
    if number is None:
        raise UnreadablePayloadError(Flaw.NO_ID)
    return number
