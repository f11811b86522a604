"""What customers and agents say during a chaos run, decided by the workload's chances."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sandbox.chatwoot import changes, conversations

if TYPE_CHECKING:
    import random

    from psycopg import Connection

    from tests.chaos.served import Served

# To be looked for where it must not be: in every public message, and in every private note.
PUBLIC_WORD = "mirabelle-said-in-public"
PRIVATE_WORD = "damson-said-in-private"
CHANNELS = (
    "Channel::WebWidget", "Channel::Email", "Channel::Whatsapp", "Channel::Sms", "Channel::Api",
)  # fmt: skip
BEGIN = datetime(2026, 5, 5, 12, tzinfo=UTC)
AGENT = {"message_type": 1, "sender_type": "User", "sender_id": 1}
PENDING = 2


@dataclass
class Talks:
    """The conversations of a run; `talkers` are the contacts that have one."""

    talkers: set[int] = field(default_factory=set)
    _talks: dict[int, int] = field(default_factory=dict)
    _resolved: set[int] = field(default_factory=set)
    _messages: list[int] = field(default_factory=list)
    _said: int = 0
    _earlier: list[tuple[int, int, int]] = field(default_factory=list)
    _inboxes: dict[str, int] = field(default_factory=dict)
    _minutes: int = 0

    def begin(self, connection: Connection, chance: random.Random, contact: int) -> None:
        """Have a contact open a conversation with one or two messages, which an agent may answer."""
        if not self._inboxes:
            rows = connection.execute("SELECT channel_type, min(id) FROM inboxes GROUP BY channel_type")
            self._inboxes = dict(rows.fetchall())
        self.talkers.add(contact)
        inbox = self._inboxes[chance.choice(CHANNELS)]
        talk = conversations.add_conversation(
            connection, contact, inbox, created_at=self._now(), priority=chance.choice((None, 0, 3))
        )
        self._talks[talk] = contact
        for _ in range(chance.randint(1, 2)):
            self._say(connection, talk)
        if chance.random() < 0.5:
            self._say(connection, talk, **AGENT)

    def go_on(self, connection: Connection, chance: random.Random, many: int) -> None:
        """Have something happen in `many` of the conversations there are.

        Whom a run may have seen resolved since `begin_round` stays so: when a lead is closed, and whether it
        is, depends on which resolution a run saw.
        """
        seen = frozenset(self._resolved)
        for talk in chance.sample(sorted(self._talks), min(many, len(self._talks))):
            what = chance.randrange(6)
            match 0 if what in {2, 3} and self._talks[talk] in seen else what:
                case 0:
                    self._say(connection, talk)
                case 1:
                    self._say(connection, talk, **AGENT)
                case 2:
                    conversations.resolve(connection, talk, self._now())
                    self._resolved.add(self._talks[talk])
                case 3:
                    conversations.change_conversation(connection, talk, status=PENDING)
                case 4:
                    conversations.delete_message(connection, chance.choice(self._messages))
                case _:
                    text = f"For us only: {PRIVATE_WORD}"
                    conversations.add_message(
                        connection, talk, text, private=True, created_at=self._now(), **AGENT
                    )

    def begin_round(self) -> None:
        """Note that all that happened so far has been brought over."""
        self._resolved.clear()

    def plant_earlier(self, connection: Connection, krayin: Served, contact: int, person: int) -> None:
        """Open a conversation that an earlier integration has brought over already."""
        changes.link_inbox(connection, contact, 1, f"krayin:person:{person}")
        self.talkers.add(contact)
        talk = conversations.add_conversation(connection, contact, 1, created_at=self._now())
        row = connection.execute("SELECT display_id FROM conversations WHERE id = %s", (talk,)).fetchone()
        assert row is not None
        title = f"Conversation #{row[0]}"
        krayin.seed(activities=[{"type": "note", "title": title, "comment": "old", "person_id": person}])
        # What was written before stays until the conversation changes: whether a run comes first must not matter.
        self._earlier.append((talk, contact, self._add(connection, talk)))

    def go_on_with_earlier(self) -> None:
        """Let things happen in the conversations that were brought over by an earlier integration, from now on."""
        for talk, contact, message in self._earlier:
            self._talks[talk] = contact
            self._messages.append(message)
        self._earlier.clear()

    def _say(self, connection: Connection, talk: int, **columns: object) -> None:
        self._messages.append(self._add(connection, talk, **columns))

    def _add(self, connection: Connection, talk: int, **columns: object) -> int:
        self._said += 1
        text = f"{PUBLIC_WORD} <{self._said}> & more"
        return conversations.add_message(connection, talk, text, created_at=self._now(), **columns)

    def _now(self) -> datetime:
        # The same in two worlds, as it is part of what is brought over.
        self._minutes += 1
        return BEGIN + timedelta(minutes=self._minutes)
