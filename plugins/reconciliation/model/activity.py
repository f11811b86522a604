"""From conversations and messages to the activities Krayin should hold."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC
from typing import TYPE_CHECKING, Any, TypedDict

from chatwoot.records import Author, Status
from krayin.text import TEXT_BYTES, cut_characters

from reconciliation.model.comment import body, comment_mark, comment_of, escaped, marked, moment, shown_value
from reconciliation.model.desired_activity import CONVERSATION, MESSAGE, ActivitySkip, DesiredActivity
from reconciliation.model.hashing import stable_hash
from reconciliation.model.stored_text import stored_text, visible_text
from reconciliation.model.text_template import MOST_ITEMS, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, tzinfo

    from chatwoot.records import Conversation, Message, SentMessage

    from reconciliation.model.text_template import TextTemplate

NOTE = "note"
CALL = "call"
EMAIL = "email"

# How much of each message a conversation shows, of its latest ones and where it is shown whole.
RECENT_CHARACTERS = 500
WHOLE_CHARACTERS = 8_000
# What whole messages leave of a comment for its details, and of each for who wrote it and when.
_DETAILS_BYTES, _AUTHOR_BYTES = 6_000, 250
_LONGEST_NAME = 200
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
    links (None: no links); `history_start` an aware instant or None; `zone` is that of the times shown;
    `templates` are the texts of one's own, by place; `only_resolved` leaves out conversations that are not;
    with `lead_per_inbox` each hangs on the lead of its inbox.
    """

    installation: str
    base_url: str | None = None
    history_start: datetime | None = None
    zone: tzinfo = UTC
    templates: Mapping[str, TextTemplate] = field(default_factory=dict)
    only_resolved: bool = False
    lead_per_inbox: bool = False

    def sources(self, kind: str) -> list[str]:
        """Return the templates of a kind as written: with another one its activities are others."""
        return [one.source for place, one in sorted(self.templates.items()) if place.startswith(kind)]


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
    if rules.only_resolved and conversation.status is not Status.RESOLVED:
        # What Krayin has of it stays until it is resolved again.
        return ActivitySkip.NOT_RESOLVED
    latest = max([conversation.created_at, *(one.created_at for one in conversation.messages)])
    if not mapped and rules.history_start is not None and latest < rules.history_start:
        return ActivitySkip.BEFORE_HISTORY
    is_mailbox = conversation.channel_type == _MAIL

    def shown(message: Message) -> str:
        return body(message, longest, is_mail=is_mailbox or message.is_email)

    longest = RECENT_CHARACTERS if conversation.earlier is None else WHOLE_CHARACTERS
    link = _address(rules, conversation.account_id, conversation.display_id)
    values = _conversation_values(conversation, rules.zone, link, shown)
    same = _conversation_values(_unnamed(conversation), UTC, link, lambda one: marked(one, longest))
    mark = [*rules.sources(CONVERSATION), text_of("conversation_comment", same, {})]
    return DesiredActivity(
        source_kind=CONVERSATION,
        source_id=str(conversation.display_id),
        contact_id=conversation.contact_id,
        type=activity_type(conversation.channel_type, is_email=conversation.is_email),
        **_texts(CONVERSATION, values, rules),
        said=comment_mark(comment_of("\n".join(mark), link)),
        is_done=conversation.status is Status.RESOLVED,
        start=conversation.created_at,
        end=latest,
        key=activity_key(rules.installation, CONVERSATION, conversation.account_id, conversation.display_id),
        earlier_person=earlier_person(conversation.earlier_ids),
        inbox_id=conversation.inbox_id if rules.lead_per_inbox else None,
    )


def map_message(sent: SentMessage, rules: ActivityRules, *, mapped: bool) -> DesiredActivity | ActivitySkip:
    """Return the activity for a message, or why there is none; see `map_conversation`."""
    message = sent.message
    if sent.contact_id is None:
        return ActivitySkip.NO_CONTACT
    if not mapped and rules.history_start is not None and message.created_at < rules.history_start:
        return ActivitySkip.BEFORE_HISTORY
    link = _address(rules, sent.account_id, sent.display_id)
    mark = [*rules.sources(MESSAGE), *filter(None, [link]), message.author, marked(message)]
    return DesiredActivity(
        source_kind=MESSAGE,
        source_id=str(message.id),
        contact_id=sent.contact_id,
        type=activity_type(sent.channel_type, is_email=message.is_email),
        **_texts(MESSAGE, _message_values(sent, rules.zone, link), rules),
        said=comment_mark(comment_of("\n".join(mark), link)),
        is_done=True,
        start=message.created_at,
        end=message.created_at,
        key=activity_key(rules.installation, MESSAGE, sent.account_id, message.id),
        earlier_person=earlier_person(sent.earlier_ids),
        inbox_id=sent.inbox_id if rules.lead_per_inbox else None,
    )


class _Texts(TypedDict):
    title: str
    comment: str
    earlier_title: str


def _texts(kind: str, values: Mapping[str, Any], rules: ActivityRules) -> _Texts:
    title, ready = (cut_characters(text_of(f"{kind}_title", values, own)) for own in (rules.templates, {}))
    return {
        "title": title,
        "comment": comment_of(text_of(f"{kind}_comment", values, rules.templates), values["link"]),
        "earlier_title": ready if title != ready else "",
    }


def _message_values(sent: SentMessage, zone: tzinfo, link: str) -> dict[str, Any]:
    message = sent.message
    return {
        "number": str(sent.display_id),
        **_said(message, zone, body(message, is_mail=message.is_email or sent.channel_type == _MAIL)),
        **_place(sent.inbox_name, sent.channel_type),
        "subject": _subject(message.subject),
        "link": link,
        "files": [one.name or one.kind for one in message.attachments[:MOST_ITEMS]],
    }


def _conversation_values(
    conversation: Conversation, zone: tzinfo, link: str, text: Callable[[Message], str]
) -> dict[str, Any]:
    bot = " (bot)" if conversation.assignee_is_bot else ""
    attributes = {
        name: cut_characters(stored_text(shown_value(value)))
        for name, value in sorted(conversation.custom_attributes.items())
        if value not in (None, "", [], {})
    }
    said = [_said(one, zone, text(one)) for one in conversation.messages]
    shown = said if conversation.earlier is None else _fitting(said)
    return {
        "number": str(conversation.display_id),
        "status": "unknown" if conversation.status is None else conversation.status.name.lower(),
        **_place(conversation.inbox_name, conversation.channel_type),
        "assignee": f"{conversation.assignee}{bot}" if conversation.assignee else "",
        "team": conversation.team or "",
        "priority": "" if conversation.priority is None else conversation.priority.name.lower(),
        "started": moment(conversation.created_at, zone),
        "subject": _subject(conversation.subject),
        "link": link,
        "labels": [*conversation.labels[:MOST_ITEMS]],
        "attributes": attributes,
        "attribute_list": [{"name": name, "value": value} for name, value in attributes.items()],
        "heading": _heading(conversation.earlier, len(said), len(shown)),
        "messages": shown,
    }


def _fitting(said: Sequence[dict[str, str]]) -> Sequence[dict[str, str]]:
    """Return the latest of what was said, as much as fits Krayin's column."""
    room = TEXT_BYTES - _DETAILS_BYTES
    for place in range(len(said) - 1, -1, -1):
        room -= len(escaped(said[place]["text"]).encode()) + _AUTHOR_BYTES
        if room < 0:
            return said[min(place + 1, len(said) - 1) :]
    return said


def _heading(earlier: int | None, said: int, shown: int) -> str:
    if earlier is None:
        return "Latest messages"
    missing = earlier + said - shown
    return f"The latest {shown} of {shown + missing} messages" if missing else "Messages"


def _said(message: Message, zone: tzinfo, text: str) -> dict[str, str]:
    name = " ".join(visible_text(message.sender_name).split())
    role, other = _AUTHORS[message.author]
    return {
        # So much that a title still shows what follows the name.
        "author": cut_characters(name or other, _LONGEST_NAME),
        "role": role,
        "time": moment(message.created_at, zone),
        "text": text,
    }


def _place(inbox_name: str, channel_type: str) -> dict[str, str]:
    inbox, channel = stored_text(inbox_name), channel_of(channel_type).name
    return {"inbox": inbox, "channel": channel, "place": f"{inbox} ({channel})" if inbox else channel}


def _subject(subject: str) -> str:
    return cut_characters(" ".join(visible_text(subject).split()))


def earlier_person(earlier_ids: Sequence[str]) -> int | None:
    """Return the person that an earlier integration noted in texts like `krayin:person:5|krayin:lead:6`."""
    found = (_EARLIER_PERSON.fullmatch(entry.strip()) for text in earlier_ids for entry in text.split("|"))
    return next((int(match[1]) for match in found if match), None)


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


def _address(rules: ActivityRules, account_id: int, display_id: int) -> str:
    base = (rules.base_url or "").rstrip("/")
    return f"{base}/app/accounts/{account_id}/conversations/{display_id}" if base else ""


def activity_key(installation: str, kind: str, account_id: int, number: int | str) -> str:
    """Return what the activity of a conversation or message is found again by.

    `installation` is the short name.
    """
    return f"{installation}:{kind}:{account_id}:{number}"
