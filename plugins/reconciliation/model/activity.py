"""From conversations and messages to the activities Krayin should hold."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING

from chatwoot.records import Author, Status
from krayin.text import cut_characters

from reconciliation.model.comment import (
    body_lines,
    comment_mark,
    comment_of,
    escaped,
    link,
    marked_lines,
    moment,
    shown_value,
)
from reconciliation.model.desired_activity import CONVERSATION, MESSAGE, ActivitySkip, DesiredActivity
from reconciliation.model.hashing import stable_hash
from reconciliation.model.stored_text import visible_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime, tzinfo

    from chatwoot.records import Conversation, Message, SentMessage

NOTE = "note"
CALL = "call"
EMAIL = "email"

# How much of each recent message a conversation shows.
RECENT_CHARACTERS = 500
_MAIL = "Channel::Email"
_EARLIER_PERSON = re.compile(r"krayin:person:(\d{1,18})")
_AUTHORS = {
    Author.CONTACT: ("customer", "Customer"),
    Author.AGENT: ("agent", "Agent"),
    Author.BOT: ("bot", "Bot"),
    Author.ASSISTANT: ("AI", "AI assistant"),
    Author.AUTOMATION: ("automation", "Automation"),
    Author.CAMPAIGN: ("campaign", "Campaign"),
    Author.UNKNOWN: ("sender unknown", "Team"),
}


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel's name for people and the type of its activities.

    `type_of_email` is the type where Chatwoot itself says that the conversations is by e-mail: the message's
    content type is `incoming_email`, or the conversation has a mail subject.
    """

    name: str
    type: str = NOTE
    type_of_email: str | None = None


CHANNELS = {
    "Channel::Api": Channel("API", NOTE, type_of_email=EMAIL),
    "Channel::Email": Channel("E-mail", EMAIL),
    "Channel::FacebookPage": Channel("Facebook"),
    "Channel::Instagram": Channel("Instagram"),
    "Channel::Line": Channel("LINE"),
    "Channel::Sms": Channel("SMS", CALL),
    "Channel::Telegram": Channel("Telegram"),
    "Channel::Tiktok": Channel("TikTok"),
    "Channel::TwilioSms": Channel("Twilio", CALL),
    "Channel::TwitterProfile": Channel("Twitter"),
    "Channel::WebWidget": Channel("Website"),
    "Channel::Whatsapp": Channel("WhatsApp", CALL),
}


def channel_of(channel_type: str) -> Channel:
    """Return the channel of a Chatwoot class name such as `Channel::Sms`; unknown ones become notes."""
    return CHANNELS.get(channel_type) or Channel(channel_type.rpartition("::")[2] or "unknown channel")


def activity_type(channel_type: str, *, is_email: bool) -> str:
    """Return the type of the activity for something said in a channel."""
    channel = channel_of(channel_type)
    return channel.type_of_email if is_email and channel.type_of_email else channel.type


@dataclass(frozen=True, slots=True)
class ActivityRules:
    """By what conversations and messages are mapped.

    `installation` is a short name of the Chatwoot, part of the key; `base_url` its address for
    links (None: no links); `history_start` an aware instant or None; `zone` is that of the times shown.
    """

    installation: str
    base_url: str | None = None
    history_start: datetime | None = None
    zone: tzinfo = UTC


def short_name(installation: str) -> str:
    """Return a name of an installation that is short, stable and free of commas."""
    return stable_hash(installation).hex()[:8]


def map_conversation(
    conversation: Conversation, rules: ActivityRules, *, mapped: bool
) -> DesiredActivity | ActivitySkip:
    """Return the activity for a conversation, or why there is none.

    `mapped` says that Krayin already has it through us: then `history` no longer bounds it.
    """
    if conversation.contact_id is None:
        return ActivitySkip.NO_CONTACT
    latest = max([conversation.created_at, *(one.created_at for one in conversation.messages)])
    if not mapped and rules.history_start is not None and latest < rules.history_start:
        return ActivitySkip.BEFORE_HISTORY
    is_mailbox = conversation.channel_type == _MAIL

    def shown(message: Message) -> list[str]:
        return body_lines(message, RECENT_CHARACTERS, is_mail=is_mailbox or message.is_email)

    def marked(message: Message) -> list[str]:
        return marked_lines(message, RECENT_CHARACTERS)

    return DesiredActivity(
        source_kind=CONVERSATION,
        source_id=str(conversation.display_id),
        contact_id=conversation.contact_id,
        type=activity_type(conversation.channel_type, is_email=conversation.is_email),
        title=f"Conversation #{conversation.display_id}",
        comment=comment_of(_details(conversation, rules, shown)),
        said=comment_mark(comment_of(_details(_unnamed(conversation), replace(rules, zone=UTC), marked))),
        is_done=conversation.status is Status.RESOLVED,
        start=conversation.created_at,
        end=latest,
        key=activity_key(rules.installation, CONVERSATION, conversation.account_id, conversation.display_id),
        earlier_person=earlier_person(conversation.earlier_ids),
    )


def map_message(sent: SentMessage, rules: ActivityRules, *, mapped: bool) -> DesiredActivity | ActivitySkip:
    """Return the activity for a message, or why there is none; see `map_conversation`."""
    message = sent.message
    if sent.contact_id is None:
        return ActivitySkip.NO_CONTACT
    if not mapped and rules.history_start is not None and message.created_at < rules.history_start:
        return ActivitySkip.BEFORE_HISTORY
    ending = f" - Conversation #{sent.display_id}"
    name = cut_characters(_name(message), 255 - len("Message from ") - len(ending))
    said = f"{_signature(message)}, {moment(message.created_at, rules.zone)}"
    # Above what is said: a cut may then not tear it.
    link_line = [*_link_line(rules, sent.account_id, sent.display_id)]
    body = body_lines(message, is_mail=message.is_email or sent.channel_type == _MAIL)
    place = _place(sent.inbox_name, sent.channel_type)
    lines = [*_subject_line(message.subject), *link_line, escaped(f"{said}, {place}:"), *body]
    return DesiredActivity(
        source_kind=MESSAGE,
        source_id=str(message.id),
        contact_id=sent.contact_id,
        type=activity_type(sent.channel_type, is_email=message.is_email),
        title=f"Message from {name}{ending}",
        comment=comment_of(lines),
        said=comment_mark(comment_of([*link_line, message.author, *marked_lines(message)])),
        is_done=True,
        start=message.created_at,
        end=message.created_at,
        key=activity_key(rules.installation, MESSAGE, sent.account_id, message.id),
        earlier_person=earlier_person(sent.earlier_ids),
    )


def earlier_person(earlier_ids: Sequence[str]) -> int | None:
    """Return the person that an earlier integration noted in texts like `krayin:person:5|krayin:lead:6`."""
    found = (_EARLIER_PERSON.fullmatch(entry.strip()) for text in earlier_ids for entry in text.split("|"))
    return next((int(match[1]) for match in found if match), None)


def _subject_line(subject: str) -> Iterator[str]:
    if shown := " ".join(visible_text(subject).split()):
        yield escaped(f"Subject: {cut_characters(shown)}")


def _details(
    conversation: Conversation, rules: ActivityRules, body: Callable[[Message], list[str]]
) -> Iterator[str]:
    yield from _subject_line(conversation.subject)
    yield f"Status: {conversation.status.name.lower() if conversation.status is not None else 'unknown'}"
    yield escaped(f"Inbox: {_place(conversation.inbox_name, conversation.channel_type)}")
    if conversation.assignee:
        yield escaped(f"Assignee: {conversation.assignee}{' (bot)' if conversation.assignee_is_bot else ''}")
    if conversation.team:
        yield escaped(f"Team: {conversation.team}")
    if conversation.priority is not None:
        yield f"Priority: {conversation.priority.name.lower()}"
    if conversation.labels:
        yield escaped(f"Labels: {', '.join(conversation.labels)}")
    for name, value in sorted(conversation.custom_attributes.items()):
        if value not in (None, "", [], {}):
            yield escaped(f"{name}: {cut_characters(shown_value(value))}")
    yield f"Started: {moment(conversation.created_at, rules.zone)}"
    yield from _link_line(rules, conversation.account_id, conversation.display_id)
    if conversation.messages:
        yield ""
        yield "Latest messages:"
    for number, message in enumerate(conversation.messages):
        if number:
            yield ""
        yield escaped(f"{moment(message.created_at, rules.zone)} {_signature(message)}:")
        yield from body(message)


def _unnamed(conversation: Conversation) -> Conversation:
    """Return it without its subject and the names of people, inbox and team, which may be others by now."""
    return replace(
        conversation,
        subject="",
        inbox_name="",
        assignee=None if conversation.assignee is None else str(conversation.assignee_id),
        team=None if conversation.team is None else str(conversation.team_id),
        messages=tuple(replace(one, sender_name="") for one in conversation.messages),
    )


def _link_line(rules: ActivityRules, account_id: int, display_id: int) -> Iterator[str]:
    if rules.base_url:
        yield link(f"{rules.base_url.rstrip('/')}/app/accounts/{account_id}/conversations/{display_id}")


def _place(inbox_name: str, channel_type: str) -> str:
    channel = channel_of(channel_type).name
    return f"{inbox_name} ({channel})" if inbox_name else channel


def _name(message: Message) -> str:
    # The title is one line.
    return " ".join(visible_text(message.sender_name).split()) or _AUTHORS[message.author][1]


def _signature(message: Message) -> str:
    return f"{_name(message)} ({_AUTHORS[message.author][0]})"


def activity_key(installation: str, kind: str, account_id: int, number: int | str) -> str:
    """Return what the activity of a conversation or message is found again by.

    `installation` is the short name.
    """
    return f"{installation}:{kind}:{account_id}:{number}"
