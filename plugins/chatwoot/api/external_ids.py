"""Keeps a text in a custom attribute of Chatwoot's contacts."""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING

from chatwoot.errors import ChatwootApiRefused

if TYPE_CHECKING:
    from chatwoot.api.session import ApiSession


class Written(StrEnum):
    """What became of it."""

    WRITTEN = "written"
    EQUAL = "equal"
    """It stood there already; nothing was sent."""
    GONE = "gone"
    """There is no such contact any more."""


def write_attribute(session: ApiSession, contact_id: int, attribute: str, value: str) -> Written:
    """Make a contact's custom attribute hold `value`; the others stay, as Chatwoot merges what it is sent.

    It is read first: a write makes Chatwoot send webhooks to everybody.

    Raises:
        ChatwootApiUnreachable, ChatwootApiRefused: Chatwoot did not do it.
    """
    found = session.contact(contact_id)
    if found is None:
        return Written.GONE
    if (found.get("custom_attributes") or {}).get(attribute) == value:
        return Written.EQUAL
    try:
        session.send("PUT", f"/contacts/{contact_id}", {"custom_attributes": {attribute: value}})
    except ChatwootApiRefused as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        # Deleted or merged since it was read.
        return Written.GONE
    return Written.WRITTEN
