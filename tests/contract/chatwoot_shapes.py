"""What the answers of Chatwoot 4.15's API look like, as far as this integration relies on them.

Written down from the API as it answers; times are whole seconds since 1970, UTC, unless said otherwise.
Further keys are allowed: Chatwoot adds some with every version.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt


class Shape(BaseModel):
    """Strict: a number that came as text would be a difference."""

    model_config = ConfigDict(strict=True)


class InboxOfContact(Shape):
    id: PositiveInt
    name: str
    channel_type: str


class ContactInbox(Shape):
    source_id: str
    inbox: InboxOfContact


class Person(Shape):
    """A contact as conversations carry it; `last_activity_at` is left out where there was none."""

    id: PositiveInt
    name: str | None
    email: str | None
    phone_number: str | None
    identifier: str | None
    blocked: bool
    thumbnail: str
    availability_status: Literal["online", "offline"]
    additional_attributes: dict[str, Any]
    custom_attributes: dict[str, Any]
    created_at: PositiveInt
    last_activity_at: PositiveInt = 1


class Contact(Person):
    contact_inboxes: list[ContactInbox]


class ContactsMeta(Shape):
    count: NonNegativeInt
    current_page: str | int


class Contacts(Shape):
    """`GET /contacts` and `POST /contacts/filter`: 15 a page."""

    meta: ContactsMeta
    payload: list[Contact] = Field(max_length=15)


class OneContact(Shape):
    payload: Contact


class Labels(Shape):
    payload: list[str]


class Sender(Shape):
    id: PositiveInt
    name: str | None
    type: Literal["contact", "user", "agent_bot", "captain_assistant"]
    available_name: str = ""


class File(Shape):
    """`extension`, `data_url` and `file_size` come with files, `fallback_title` with places and cards."""

    id: PositiveInt
    message_id: PositiveInt
    file_type: str
    extension: str | None = None
    data_url: str = ""
    file_size: NonNegativeInt | None = None
    fallback_title: str | None = None


class Message(Shape):
    """Without `sender` and `attachments` where there are none."""

    id: PositiveInt
    content: str | None
    inbox_id: PositiveInt
    conversation_id: PositiveInt
    message_type: Literal[0, 1, 2, 3]
    content_type: Literal[
        "text", "input_text", "input_textarea", "input_email", "input_select", "cards", "form", "article",
        "incoming_email", "input_csat", "integrations", "sticker", "voice_call",
    ]  # fmt: skip
    status: Literal["sent", "delivered", "read", "failed"]
    content_attributes: dict[str, Any]
    created_at: PositiveInt
    private: bool
    source_id: str | None
    sender: Sender = Field(default=Sender(id=1, name="", type="user"))
    attachments: list[File] = []


class ContactOfMessages(Shape):
    """Without times."""

    id: PositiveInt
    name: str | None
    type: Literal["contact"]


class MessagesMeta(Shape):
    labels: list[str]
    additional_attributes: dict[str, Any]
    contact: ContactOfMessages | None


class Messages(Shape):
    """20, 100 or 1,000 at once."""

    meta: MessagesMeta
    payload: list[Message] = Field(max_length=1_000)


class Assignee(Shape):
    """A user, or a bot, which has a name only."""

    id: PositiveInt
    name: str
    available_name: str = ""


class Team(Shape):
    id: PositiveInt
    name: str


class ConversationMeta(Shape):
    """`assignee`, `assignee_type` and `team` are left out where there is none."""

    sender: Person | None
    channel: str
    assignee: Assignee = Assignee(id=1, name="")
    assignee_type: Literal["User", "AgentBot"] = "User"
    team: Team = Team(id=1, name="")


class Conversation(Shape):
    """`id` is the display id; `updated_at` has fractions, `first_reply_created_at` is 0 before the first."""

    id: PositiveInt
    meta: ConversationMeta
    messages: list[Message] = Field(max_length=1)
    account_id: PositiveInt
    inbox_id: PositiveInt
    additional_attributes: dict[str, Any]
    custom_attributes: dict[str, Any]
    labels: list[str]
    status: Literal["open", "resolved", "pending", "snoozed"]
    priority: Literal["low", "medium", "high", "urgent"] | None
    created_at: PositiveInt
    updated_at: float
    first_reply_created_at: NonNegativeInt
    last_activity_at: PositiveInt


class ConversationCounts(Shape):
    mine_count: NonNegativeInt
    assigned_count: NonNegativeInt
    unassigned_count: NonNegativeInt
    all_count: NonNegativeInt


class FilteredConversations(Shape):
    """`POST /conversations/filter`: 25 a page, not wrapped in `data`."""

    meta: ConversationCounts
    payload: list[Conversation]


class Conversations(Shape):
    """`GET /conversations`: 25 a page, all of them with `updated_within`."""

    data: FilteredConversations


class ConversationsOfContact(Shape):
    payload: list[Conversation] = Field(max_length=20)


class ReportingEvent(Shape):
    """Times are ISO 8601, UTC."""

    id: PositiveInt
    name: str
    event_end_time: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


class Inbox(Shape):
    id: PositiveInt
    name: str
    channel_type: str


class Inboxes(Shape):
    payload: list[Inbox]


class Membership(Shape):
    id: PositiveInt
    name: str
    status: Literal["active", "suspended"]
    role: Literal["agent", "administrator"]


class Profile(Shape):
    id: PositiveInt
    accounts: list[Membership]


class Installation(Shape):
    """`GET /api`, without a token."""

    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
