"""Sample conversations whose messages, reply times and states agree with each other."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

    from sandbox.chatwoot.agents import Office
    from sandbox.chatwoot.bulk import Row
    from sandbox.chatwoot.people import Person

OPEN, RESOLVED, PENDING, SNOOZED = range(4)
INCOMING, OUTGOING, ACTIVITY, TEMPLATE = range(4)
TEXT, INPUT_EMAIL, INPUT_CSAT = 0, 3, 9
SENT, DELIVERED, READ, FAILED = range(4)

CONVERSATION_COLUMNS = (
    "id", "account_id", "inbox_id", "status", "assignee_id", "team_id", "contact_id", "contact_inbox_id",
    "uuid", "additional_attributes", "custom_attributes", "priority", "snoozed_until", "cached_label_list",
    "assignee_agent_bot_id", "first_reply_created_at", "waiting_since", "agent_last_seen_at",
    "contact_last_seen_at", "last_activity_at", "created_at", "updated_at",
)  # fmt: skip
MESSAGE_COLUMNS = (
    "id", "account_id", "inbox_id", "conversation_id", "message_type", "content_type", "content",
    "processed_message_content", "content_attributes", "private", "status", "source_id", "sender_type",
    "sender_id", "created_at", "updated_at",
)  # fmt: skip
ATTACHMENT_COLUMNS = (
    "id", "account_id", "message_id", "file_type", "external_url", "fallback_title", "extension", "meta",
    "created_at", "updated_at",
)  # fmt: skip
_REPLIES = (
    "Hi, thanks for writing to us. How can I help?",
    "I have sent the quote to your e-mail address.",
    "Could you please share the order number?",
    "That is fixed now, please reload the page.",
    "Let me check with my colleagues & come back to you.",
    "You're welcome! Have a great day :)",
)
_NOTES = ("Customer sounds upset, be careful.", "Margin is 12 %, do not go lower.", "@Bruno please take over")
_FILES = ((0, "png"), (0, "jpg"), (1, "ogg"), (2, "mp4"), (3, "pdf"), (4, None))


@dataclass(slots=True)
class Thread:
    """One conversation and the rows it adds."""

    id: int
    inbox_id: int
    person: Person
    agent: int | None
    conversation: Row = ()
    messages: list[Row] = field(default_factory=list)
    attachments: list[Row] = field(default_factory=list)
    labels: tuple[str, ...] = ()
    last_incoming_at: datetime | None = None


@dataclass(slots=True)
class Ids:
    """The next free id of every table that threads fill."""

    conversation: int = 1
    message: int = 1
    attachment: int = 1


def double_encoded(attributes: dict[str, Any]) -> str:
    """Return `attributes` as Chatwoot stores message attributes: a JSON string that holds JSON, or {}."""
    return json.dumps(json.dumps(attributes)) if attributes else "{}"


@dataclass(slots=True)
class Writer:
    """Writes conversations of one account; times are UTC."""

    office: Office
    random: Random
    sentences: tuple[str, ...]
    ids: Ids
    end: datetime

    def thread(self, person: Person, contact_inbox: tuple[int, int], messages: int) -> Thread:
        """Make a conversation of `person` with `messages` messages.

        `contact_inbox` is the id of the contact_inboxes row and its inbox. The conversation begins
        after the contact and ends before `end`.
        """
        random = self.random
        contact_inbox_id, inbox_id = contact_inbox
        number = self.ids.conversation
        self.ids.conversation += 1
        room = self.end - person.created_at
        created = person.created_at + room * (random.random() ** 2 * 0.98)
        step = min(timedelta(hours=30), (self.end - created) * 0.9) / max(messages, 1)
        status = random.choices((OPEN, RESOLVED, PENDING, SNOOZED), (30, 55, 7, 8))[0]
        if person.blocked:
            status = RESOLVED
        agent = None if status == PENDING or random.random() < 0.15 else random.choice(self.office.agents)
        thread = Thread(number, inbox_id, person, agent)
        replied: datetime | None = None
        waiting: datetime | None = created
        now = created
        for position in range(messages):
            now = created + step * (position + random.random() * 0.8) if position else created
            closing = status == RESOLVED and position == messages - 1 and position > 0
            kind = self._kind(position, agent, closing=closing)
            self._say(thread, kind, now)
            if kind == "incoming":
                thread.last_incoming_at = now
                waiting = waiting or now
            elif kind == "reply":
                replied, waiting = replied or now, None
            elif kind == "bot":
                waiting = None
        if status == RESOLVED:
            waiting = None
        thread.labels = (
            tuple(random.sample(sorted(self.office.tags), k=random.choice((1, 2))))
            if random.random() < 0.3
            else ()
        )
        thread.conversation = (
            number, person.account_id, inbox_id, status, agent,
            random.choice(self.office.teams) if random.random() < 0.4 else None,
            person.id, contact_inbox_id, uuid.UUID(int=random.getrandbits(128), version=4),
            json.dumps(self._context(created)),
            json.dumps({"order_number": f"A-{random.randrange(10**6):06d}"} if random.random() < 0.2 else {}),
            random.choices((None, 0, 1, 2, 3), (70, 5, 10, 10, 5))[0],
            now + timedelta(days=2) if status == SNOOZED and random.random() < 0.7 else None,
            ", ".join(thread.labels) or None,
            self.office.bot if status == PENDING else None,
            replied, waiting, replied, thread.last_incoming_at, now, created, now,
        )  # fmt: skip
        return thread

    def _context(self, created: datetime) -> dict[str, Any]:
        if self.random.random() < 0.5:
            return {}
        return {
            "browser": {"browser_name": "Firefox", "platform_name": "Linux"},
            "referer": "https://www.example.com/pricing",
            "initiated_at": {"timestamp": created.isoformat()},
            "browser_language": "en",
        }

    def _kind(self, position: int, agent: int | None, *, closing: bool) -> str:
        if position == 0:
            return "incoming"
        if closing:
            return "activity"
        kinds = {"incoming": 42, "note": 6, "activity": 5, "template": 5, "deleted": 2}
        kinds["bot" if agent is None else "reply"] = 40
        return self.random.choices(list(kinds), list(kinds.values()))[0]

    def _say(self, thread: Thread, kind: str, now: datetime) -> None:
        random, person, agent = self.random, thread.person, thread.agent
        number = self.ids.message
        self.ids.message += 1
        message_type, content_type, sender_type, sender = OUTGOING, TEXT, None, None
        attributes: dict[str, Any] = {}
        state = random.choices((SENT, DELIVERED, READ, FAILED), (50, 20, 27, 3))[0]
        updated = now
        match kind:
            case "incoming":
                message_type, sender_type, sender = INCOMING, "Contact", person.id
                content, state = random.choice(self.sentences), SENT
            case "reply":
                sender_type, sender, content = "User", agent, random.choice(_REPLIES)
                if state == FAILED:
                    attributes = {"external_error": "131026: Message undeliverable"}
                elif random.random() < 0.1:
                    attributes = {"in_reply_to": max(1, number - 1)}
            case "bot":
                sender_type, sender, content = (
                    "AgentBot",
                    self.office.bot,
                    "I am a bot. A human will be with you soon.",
                )
            case "note":
                sender_type, sender, content = "User", agent or self.office.agents[0], random.choice(_NOTES)
            case "template":
                message_type = TEMPLATE
                content_type = random.choice((TEXT, INPUT_EMAIL, INPUT_CSAT))
                content = "Give the team a way to reach you."
            case "deleted":
                message_type, sender_type, sender = INCOMING, "Contact", person.id
                content, attributes = "This message was deleted", {"deleted": True}
                updated = now + timedelta(minutes=5)
            case _:
                message_type = ACTIVITY
                who = self.office.agent_names.get(agent or 0, "System")
                content = f"Conversation was marked resolved by {who}"
        thread.messages.append(
            (
                number,
                person.account_id,
                thread.inbox_id,
                thread.id,
                message_type,
                content_type,
                content,
                content,
                double_encoded(attributes),
                kind == "note",
                state,
                f"ext-{number}" if random.random() < 0.3 else None,
                sender_type,
                sender,
                now,
                updated,
            )
        )
        if kind in {"incoming", "reply"} and random.random() < 0.05:
            thread.attachments.append(self._attachment(person.account_id, number, now))

    def _attachment(self, account: int, message: int, now: datetime) -> Row:
        number = self.ids.attachment
        self.ids.attachment += 1
        file_type, extension = self.random.choice(_FILES)
        url = f"https://files.example.com/{number}.{extension}" if extension else None
        title = None if extension else "Sample Square 1"
        return (number, account, message, file_type, url, title, extension, "{}", now, now)
