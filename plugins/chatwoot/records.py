"""What Chatwoot knows, as frozen records; private notes are never among them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    Further = ParamSpec("Further")
    Made = TypeVar("Made")

# The latest messages that a conversation carries, and how much of each.
RECENT = 10
RECENT_LETTERS = 1_000
# The same of a conversation that is read whole. Nothing is read before the messages that have so many letters
# together: that is more than fits Krayin's column.
WHOLE_LETTERS = 10_000
WHOLE = 500
ENOUGH_LETTERS = 200_000
# More of a message than fits the text column it goes to (65,535 bytes) is never read.
LETTERS = 66_000
FILE_KINDS = (
    "image", "audio", "video", "file", "location", "fallback", "share", "story_mention", "contact",
    "ig_reel", "ig_post", "ig_story", "embed",
)  # fmt: skip
"""What Chatwoot tells attachments apart by; its database keeps the place in this list."""
DETAILS = ("items", "submitted_values", "submitted_email", "data", "is_reaction", "is_unsupported")
"""What of a message's attributes goes into its details; `message_parts.sql` names the same."""
Attributes = dict[str, Any]
"""A JSON object as it stands in the database: keys and values of any kind."""


@dataclass(frozen=True, slots=True)
class Account:
    """A Chatwoot account; `suspended` accounts keep their rows."""

    id: int
    name: str
    suspended: bool = False


@dataclass(frozen=True, slots=True)
class Inbox:
    """An inbox; `channel_type` is the class name, for example `Channel::Whatsapp`, "" if the row has none."""

    id: int
    account_id: int
    name: str
    channel_type: str


@dataclass(frozen=True, slots=True)
class ContactInbox:
    """How a contact is called in an inbox: a phone, an e-mail, a platform's id or a made-up one."""

    inbox_id: int
    source_id: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Handling:
    """Who handles a conversation: inbox, team and agent by their ids, and the agent's e-mail."""

    inbox_id: int | None = None
    team_id: int | None = None
    agent_id: int | None = None
    email: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class InboxContact:
    """What a contact says in one inbox.

    `handling` is of its latest conversation there, `labels` are those of all of them (sorted),
    `last_activity_at` is when something was said last (UTC).
    """

    handling: Handling
    labels: tuple[str, ...] = ()
    last_activity_at: datetime | None = None

    @property
    def inbox_id(self) -> int:
        """The inbox."""
        return self.handling.inbox_id or 0


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact with its labels (sorted) and inboxes (by inbox, then source id).

    Empty texts are "" or None as in the database, times are aware and UTC. `contact_type` is 0 visitor, 1
    lead, 2 customer. `country_code` holds the country's *name*: Chatwoot copies
    `additional_attributes.country` there. Attributes that are NULL in the database are {}. `wants_lead` says
    whether the rule for leads that was asked with holds for it, `handling` who handles its latest
    conversation, where that was asked, and `by_inbox` what it says inbox by inbox, where that was, the
    inbox of its oldest conversation first.

    The repr leaves out what identifies a person, so that a record in a log tells no more than ids.
    """

    id: int
    account_id: int
    name: str = field(repr=False)
    last_name: str = field(repr=False)
    middle_name: str = field(repr=False)
    email: str | None = field(repr=False)
    phone_number: str | None = field(repr=False)
    identifier: str | None = field(repr=False)
    contact_type: int
    blocked: bool
    location: str = field(repr=False)
    country_code: str = field(repr=False)
    additional_attributes: Mapping[str, Any] = field(repr=False, hash=False)
    custom_attributes: Mapping[str, Any] = field(repr=False, hash=False)
    last_activity_at: datetime | None
    created_at: datetime
    updated_at: datetime
    labels: tuple[str, ...]
    inboxes: tuple[ContactInbox, ...]
    wants_lead: bool = True
    handling: Handling | None = None
    by_inbox: tuple[InboxContact, ...] = ()

    @property
    def key(self) -> int:
        """Its key in the stream of contacts."""
        return self.id

    @property
    def writes_in(self) -> tuple[int, ...]:
        """The inbox of its latest conversation where that was asked, without one those it was seen in."""
        if self.handling is not None:
            return (self.handling.inbox_id or 0,)
        return tuple(one.inbox_id for one in self.inboxes)


class Status(IntEnum):
    """Where a conversation stands; a bot handles pending ones. A later Chatwoot may know of more."""

    OPEN = 0
    RESOLVED = 1
    PENDING = 2
    SNOOZED = 3


class Priority(IntEnum):
    """How urgent a conversation is."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2
    URGENT = 3


class Author(StrEnum):
    """Who wrote a message."""

    CONTACT = "contact"
    AGENT = "agent"
    BOT = "bot"
    ASSISTANT = "assistant"
    AUTOMATION = "automation"
    CAMPAIGN = "campaign"
    UNKNOWN = "unknown"
    """Outgoing, by somebody whose account is gone."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a message: what kind, its name and type as far as known, and its size in bytes."""

    kind: str
    name: str | None = field(repr=False)
    content_type: str | None
    size: int | None


@dataclass(frozen=True, slots=True)
class Message:
    """A public message, or the answer to a survey; times are UTC.

    `content` is "" for a deleted one, for one of files only and for an answer. Of a mail `subject` is its
    subject and `body` its text as Chatwoot took it apart, None where that is `content`. `details` are the
    choices it offers, what was answered, and how a call went: `DETAILS` of its attributes, without nulls.
    """

    id: int
    author: Author
    sender_name: str = field(repr=False)
    content: str = field(repr=False)
    is_deleted: bool
    is_failed: bool
    is_email: bool
    created_at: datetime
    attachments: tuple[Attachment, ...] = ()
    subject: str = field(default="", repr=False)
    body: str | None = field(default=None, repr=False)
    details: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation with its latest public messages, oldest first.

    `display_id` is the number people see, one of its account; `contact_id` is None when the contact
    was deleted. `earlier_ids` are the texts in which an earlier integration noted the contact's CRM ids.
    `status` and `priority` are None where Chatwoot says something this version does not know; `priority`
    also where there is none. `subject` is that of its first mail. `earlier` is how many public messages came
    before those of one that was read whole, else None.
    """

    id: int
    account_id: int
    display_id: int
    contact_id: int | None
    earlier_ids: tuple[str, ...] = field(repr=False)
    status: Status | None
    priority: Priority | None
    created_at: datetime
    inbox_name: str
    channel_type: str
    assignee: str | None = field(repr=False)
    assignee_id: int | None
    assignee_is_bot: bool
    team: str | None
    team_id: int | None
    labels: tuple[str, ...]
    custom_attributes: Mapping[str, Any] = field(repr=False, hash=False)
    is_email: bool
    messages: tuple[Message, ...] = field(repr=False)
    subject: str = field(default="", repr=False)
    earlier: int | None = None
    inbox_id: int | None = None

    @property
    def key(self) -> int:
        """Its key in the stream of conversations."""
        return self.display_id


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A public message by itself, with what is said of its conversation."""

    message: Message
    account_id: int
    display_id: int
    contact_id: int | None
    earlier_ids: tuple[str, ...] = field(repr=False)
    inbox_name: str
    channel_type: str
    inbox_id: int | None = None

    @property
    def key(self) -> int:
        """Its key in the stream of messages: the message's id, of the whole installation."""
        return self.message.id


@dataclass(frozen=True, slots=True)
class InboxProgress:
    """How far a contact's conversations in one inbox came; as `Progress`."""

    inbox_id: int
    created_at: datetime
    responded_at: datetime | None = None
    resolved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a contact's conversations came; times are UTC, None where none came so far.

    `responded_at` is the first answer of a human in a conversation, `resolved_at` the resolution of one that
    is resolved now; of several conversations the latest each. `inboxes` says the same of those in each inbox,
    where that was asked, the inbox of the oldest conversation first.
    """

    contact_id: int
    created_at: datetime
    responded_at: datetime | None = None
    resolved_at: datetime | None = None
    inboxes: tuple[InboxProgress, ...] = ()

    @property
    def key(self) -> int:
        """Its key in the stream of progress."""
        return self.contact_id


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A row that cannot be read as what it should be; `reason` names columns, never their contents."""

    key: int
    reason: str


@dataclass(frozen=True, slots=True)
class OutOfScope:
    """A contact that was asked for, and is left out by the rule of the scope."""

    key: int


class UnreadableError(ValueError):
    """A column does not hold what it should; the message names the column only."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(f"{column}: {reason}")


def or_broken(
    key: Callable[[Any], int], otherwise: str = "{}", more: tuple[type[Exception], ...] = ()
) -> Callable[
    [Callable[Concatenate[Any, Further], Made]], Callable[Concatenate[Any, Further], Made | BrokenRow]
]:
    """Let what makes a record of a row return a BrokenRow where the row is not what it should be.

    Args:
        key: what gives a row's key in its stream.
        otherwise: what to say around the type of an error that names no column: it may quote the row.
        more: the errors that mean so beside ValueError and RecursionError.
    """
    errors: tuple[type[Exception], ...] = (ValueError, RecursionError, *more)

    def decorated(
        make: Callable[Concatenate[Any, Further], Made],
    ) -> Callable[Concatenate[Any, Further], Made | BrokenRow]:
        @wraps(make)
        def made(row: Any, /, *args: Further.args, **named: Further.kwargs) -> Made | BrokenRow:
            try:
                return make(row, *args, **named)
            except UnreadableError as error:
                return BrokenRow(key(row), str(error))
            except errors as error:
                return BrokenRow(key(row), otherwise.format(type(error).__name__))

        return made

    return decorated
