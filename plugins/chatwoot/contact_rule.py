"""Which contacts are meant: one small vocabulary, read the same by `contact_rule.sql` and for the API."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - part of the records' annotations
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from chatwoot.records import Contact, Inbox

CHANNELS = {
    "api": "Channel::Api",
    "email": "Channel::Email",
    "facebook": "Channel::FacebookPage",
    "instagram": "Channel::Instagram",
    "line": "Channel::Line",
    "sms": "Channel::Sms",
    "telegram": "Channel::Telegram",
    "tiktok": "Channel::Tiktok",
    "twilio": "Channel::TwilioSms",
    "twitter": "Channel::TwitterProfile",
    "web": "Channel::WebWidget",
    "whatsapp": "Channel::Whatsapp",
}
"""What a channel is called in a sync file, and the class of Chatwoot that it is."""
TYPES = {"visitor": 0, "lead": 1, "customer": 2}
"""What a contact's type is called in a sync file, and its number in Chatwoot."""
# As `contact_rule.sql` tells them.
_NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Choice:
    """Of what a contact has any or all must be, or none; None is no bound."""

    any: tuple[Any, ...] | None = None
    all: tuple[Any, ...] | None = None
    none: tuple[Any, ...] | None = None

    def holds(self, found: Collection[Any]) -> bool:
        """Tell whether it holds for what a contact has."""
        return (
            (self.any is None or any(one in found for one in self.any))
            and (self.all is None or all(one in found for one in self.all))
            and (self.none is None or not any(one in found for one in self.none))
        )

    def to_json(self, name: str) -> dict[str, list[Any]]:
        """Return the keys of a rule for `contact_rule.sql`."""
        given = {"any": self.any, "all": self.all, "none": self.none}
        return {f"{name}_{how}": list(values) for how, values in given.items() if values is not None}


ANYTHING = Choice()


@dataclass(frozen=True, slots=True)
class AttributeRule:
    """What an attribute of a contact, a custom one or else one of Chatwoot's own, has to be.

    Attributes:
        name: the attribute.
        present: whether it has a value; "" is none.
        texts: it is one of these; what reads as a number is compared as such.
        at_least, at_most: it is a number from and up to these.
        since, before: it is a day from this one on, before this one: as a day (ISO), and as the moment at
            which that begins, in UTC without its zone.
    """

    name: str
    present: bool | None = None
    texts: tuple[str, ...] | None = None
    at_least: Decimal | None = None
    at_most: Decimal | None = None
    since: tuple[str, str] | None = None
    before: tuple[str, str] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the rule for `contact_rule.sql`."""
        numbers = [str(number) for text in self.texts or () if (number := _number(text)) is not None]
        return {
            "name": self.name,
            "present": self.present,
            "texts": None if self.texts is None else list(self.texts),
            "numbers": numbers,
            "at_least": None if self.at_least is None else str(self.at_least),
            "at_most": None if self.at_most is None else str(self.at_most),
            "since_day": self.since and self.since[0],
            "since_moment": self.since and self.since[1],
            "before_day": self.before and self.before[0],
            "before_moment": self.before and self.before[1],
        }

    def holds(self, contact: Contact) -> bool:
        """Tell whether a contact's attribute is as it has to be."""
        sources = contact.custom_attributes, contact.additional_attributes
        text = next((found for one in sources if (found := _text(one.get(self.name)))), None)
        if self.present is not None and self.present != (text is not None):
            return False
        if all(one is None for one in (self.texts, self.at_least, self.at_most, self.since, self.before)):
            return True
        return text is not None and self._allows(text)

    def _allows(self, text: str) -> bool:
        number = _number(text)
        if self.texts is not None and text not in self.texts:
            numbers = [_number(one) for one in self.texts]
            if number is None or number not in numbers:
                return False
        if self.at_least is not None and (number is None or number < self.at_least):
            return False
        if self.at_most is not None and (number is None or number > self.at_most):
            return False
        if self.since is None and self.before is None:
            return True
        if not _DAY.match(text):
            return False
        # A moment is told by its beginning, a day by itself.
        moment = text.endswith("Z")
        told = text if moment else text[:10]
        return (self.since is None or told >= self.since[moment]) and (
            self.before is None or told < self.before[moment]
        )


@dataclass(frozen=True, slots=True)
class ContactRule:
    """What a contact has to be; every part must hold, and each says nothing by default.

    Attributes:
        labels: those of the contact.
        conversation_labels: those of its conversations, together.
        inboxes: the inboxes in which it was seen, by id.
        channels: the channels of these, as Chatwoot's classes.
        email_domains: what follows the @ of its e-mail, in lower case.
        types: the numbers of contact types it may have.
        attributes: what attributes have to be.
        has_conversation: whether it has a conversation.
        created_since, active_since: when it was created, and last active, at the earliest (aware).
    """

    labels: Choice = ANYTHING
    conversation_labels: Choice = ANYTHING
    inboxes: Choice = ANYTHING
    channels: Choice = ANYTHING
    email_domains: Choice = ANYTHING
    types: tuple[int, ...] | None = None
    attributes: tuple[AttributeRule, ...] = field(default=())
    has_conversation: bool | None = None
    created_since: datetime | None = None
    active_since: datetime | None = None

    @property
    def asks_conversations(self) -> bool:
        """Whether a contact's conversations have to be known."""
        return self.has_conversation is not None or self.conversation_labels != ANYTHING

    def to_json(self, inboxes: Iterable[Inbox]) -> dict[str, Any]:
        """Return the rule for `contact_rule.sql`; `inboxes` are those of the account."""
        of_channels = {
            f"channels_{how}": [one.id for one in inboxes if one.channel_type in channels]
            for how, channels in (("any", self.channels.any), ("none", self.channels.none))
            if channels is not None
        }
        others = {
            "types": None if self.types is None else list(self.types),
            "attributes": [one.to_json() for one in self.attributes] or None,
            "has_conversation": self.has_conversation,
            "created_since": self.created_since and self.created_since.isoformat(),
            "active_since": self.active_since and self.active_since.isoformat(),
        }
        return {
            **self.labels.to_json("labels"),
            **self.conversation_labels.to_json("conversation_labels"),
            **self.inboxes.to_json("inboxes"),
            **of_channels,
            **self.email_domains.to_json("email_domains"),
            **{name: value for name, value in others.items() if value is not None},
        }

    def holds(
        self,
        contact: Contact,
        channels: Mapping[int, str],
        labels: Callable[[int], Collection[str]],
        conversation_labels: Callable[[int], Collection[str] | None],
    ) -> bool:
        """Tell whether a contact is meant.

        Args:
            contact: without its type and its labels, which an API does not show.
            channels: the channels of the account's inboxes, by id.
            labels: returns the labels of a contact; asked only where it matters.
            conversation_labels: returns those of its conversations, None where it has none; likewise.
        """
        seen_in = {one.inbox_id for one in contact.inboxes}
        domain = (contact.email or "").rpartition("@")[2].lower()
        active_at = contact.last_activity_at
        return (
            (self.created_since is None or contact.created_at >= self.created_since)
            and (self.active_since is None or (active_at is not None and active_at >= self.active_since))
            and self.email_domains.holds((domain,))
            and self.inboxes.holds(seen_in)
            and self.channels.holds({channels.get(one) for one in seen_in})
            and all(one.holds(contact) for one in self.attributes)
            and (self.labels == ANYTHING or self.labels.holds(labels(contact.id)))
            and (not self.asks_conversations or self._holds_for(conversation_labels(contact.id)))
        )

    def _holds_for(self, labels: Collection[str] | None) -> bool:
        if self.has_conversation is not None and self.has_conversation != (labels is not None):
            return False
        return self.conversation_labels.holds(labels or ())


def _text(value: Any) -> str | None:
    """Return an attribute as PostgreSQL's `->>` does."""
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case float():
            return f"{Decimal(repr(value)):f}"
        case _:
            return str(value)


def _number(text: str) -> Decimal | None:
    return Decimal(text) if _NUMBER.fullmatch(text) else None
