"""Filling an empty Chatwoot database with sample data of any size."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from psycopg import sql

from sandbox.chatwoot.agents import Office, open_offices
from sandbox.chatwoot.bulk import advance_sequences, copy_rows
from sandbox.chatwoot.message_texts import (
    ATTACHMENT_COLUMNS,
    CONVERSATION_COLUMNS,
    MESSAGE_COLUMNS,
    Ids,
    Writer,
)
from sandbox.chatwoot.name_lists import Pools, make_pools
from sandbox.chatwoot.people import (
    CONTACT_COLUMNS,
    CONTACT_INBOX_COLUMNS,
    Crowd,
    Person,
    contact_row,
    source_id,
)
from sandbox.chatwoot.phones import PhoneBook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg import Connection

    from sandbox.chatwoot.bulk import Row

_BATCH = 5_000
# Building these row by row during COPY costs more than building them once afterwards.
_HEAVY_INDEXES = (
    "index_contacts_on_name_email_phone_number_identifier",
    "index_messages_on_content",
)
_TAGGING_COLUMNS = ("id", "tag_id", "taggable_type", "taggable_id", "context", "created_at")


class AlreadyFilledError(RuntimeError):
    """The database has accounts already; sample data goes into an empty one."""

    def __init__(self) -> None:
        super().__init__("The database has Chatwoot accounts already; use an empty one.")


@dataclass(frozen=True, slots=True)
class Sample:
    """How much sample data to make.

    `contacts`, `conversations` and `messages` count those of account 1 ("Acme Support"); each further
    account of `accounts` gets a tenth, and 20 contacts at most. The same values give the same rows.
    Everything happens in the two years before `until` (UTC).
    """

    contacts: int = 500
    conversations: int = 800
    messages: int = 4_000
    seed: int = 1
    accounts: int = 2
    until: datetime = datetime(2026, 10, 1, tzinfo=UTC)


def fill(connection: Connection[Any], sample: Sample, progress: Callable[[int], None] | None = None) -> None:
    """Fill the empty Chatwoot database behind `connection` in one transaction.

    `progress` is told how many contacts were added since the last time.

    Raises:
        AlreadyFilledError: there are accounts in the database.
    """
    with connection.transaction():
        if connection.execute("SELECT 1 FROM accounts LIMIT 1").fetchone():
            raise AlreadyFilledError
        # Chatwoot's columns have no zone and mean UTC.
        connection.execute("SET LOCAL TimeZone = 'UTC'")
        heavy = _drop_indexes(connection) if sample.contacts + sample.messages > _BATCH else []
        _Filler(connection, sample, progress or (lambda _: None)).run()
        for definition in heavy:
            connection.execute(sql.SQL(definition))
    connection.execute("ANALYZE")


def quotas(total: int, parts: int, random: Random) -> list[int]:
    """Share `total` out over `parts` places at random, unevenly; the sum is `total` (0 with no places)."""
    if parts == 0:
        return []
    edges = list(itertools.accumulate(random.expovariate(1) for _ in range(parts)))
    cuts = [round(total * edge / edges[-1]) for edge in edges]
    return [high - low for low, high in itertools.pairwise([0, *cuts])]


def _drop_indexes(connection: Connection[Any]) -> list[str]:
    connection.execute("SET LOCAL maintenance_work_mem = '256MB'")
    found = connection.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE indexname = ANY(%s)", (list(_HEAVY_INDEXES),)
    ).fetchall()
    for name, _ in found:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    return [definition for _, definition in found]


@dataclass(slots=True)
class _Batch:
    """Rows that go out together, so that memory does not grow with the sample."""

    contacts: list[Row] = field(default_factory=list)
    contact_inboxes: list[Row] = field(default_factory=list)
    conversations: list[Row] = field(default_factory=list)
    messages: list[Row] = field(default_factory=list)
    attachments: list[Row] = field(default_factory=list)
    taggings: list[Row] = field(default_factory=list)


class _Filler:
    def __init__(self, connection: Connection[Any], sample: Sample, progress: Callable[[int], None]) -> None:
        self.connection = connection
        self.sample = sample
        self.progress = progress
        self.random = Random(sample.seed)
        self.ids = Ids()
        self.next_contact = itertools.count(1)
        self.next_contact_inbox = itertools.count(1)
        self.next_tagging = itertools.count(1)
        self.taggings: Counter[int] = Counter()

    def run(self) -> None:
        sample = self.sample
        pools = make_pools(sample.seed, companies=min(5_000, max(30, sample.contacts // 12)))
        start = sample.until - timedelta(days=730)
        offices = open_offices(self.connection, sample.accounts, start, self.random)
        companies = self._add_companies(offices[0], pools, start) if offices else {}
        for office in offices:
            self._populate(office, pools, companies if office is offices[0] else {}, start)
        for tag, count in self.taggings.items():
            self.connection.execute("UPDATE tags SET taggings_count = %s WHERE id = %s", (count, tag))
        advance_sequences(
            self.connection,
            ("contacts", "contact_inboxes", "conversations", "messages", "attachments", "taggings"),
        )

    def _add_companies(self, office: Office, pools: Pools, start: datetime) -> dict[str, int]:
        companies = {company.domain: number for number, company in enumerate(pools.companies, start=1)}
        copy_rows(
            self.connection,
            "companies",
            ("id", "name", "domain", "account_id", "created_at", "updated_at"),
            (
                (companies[company.domain], company.name, company.domain, office.account_id, start, start)
                for company in pools.companies
            ),
        )
        advance_sequences(self.connection, ("companies",))
        return companies

    def _populate(self, office: Office, pools: Pools, companies: dict[str, int], start: datetime) -> None:
        sample, random = self.sample, self.random
        contacts, conversations, messages = sample.contacts, sample.conversations, sample.messages
        if office.account_id != 1:
            contacts, conversations, messages = min(contacts // 10, 20), conversations // 10, messages // 10
            conversations, messages = min(conversations, 30), min(messages, 100)
        crowd = Crowd(office, pools, random, PhoneBook(sample.seed % 1000), companies, start, sample.until)
        writer = Writer(office, random, pools.sentences, self.ids, sample.until)
        per_contact = quotas(conversations, contacts, random)
        per_conversation = iter(quotas(messages, conversations if contacts else 0, random))
        for numbers in _batched(range(contacts), _BATCH):
            batch = _Batch()
            for number in numbers:
                person = crowd.person(number, next(self.next_contact))
                shares = list(itertools.islice(per_conversation, per_contact[number]))
                self._add(batch, office, person, writer, shares)
            self._write(batch)
            self.progress(len(numbers))

    def _add(self, batch: _Batch, office: Office, person: Person, writer: Writer, shares: list[int]) -> None:
        links = []
        for channel in person.channels:
            number, inbox = next(self.next_contact_inbox), office.inboxes[channel]
            links.append((number, inbox))
            batch.contact_inboxes.append(
                (number, person.id, inbox, source_id(channel, person, self.random),
                 f"{number:x}-{self.random.getrandbits(64):016x}", person.created_at, person.created_at)
            )  # fmt: skip
        for messages in shares:
            thread = writer.thread(person, self.random.choice(links), messages)
            batch.conversations.append(thread.conversation)
            batch.messages += thread.messages
            batch.attachments += thread.attachments
            self._tag(batch, office, ("Conversation", thread.conversation[0]), thread.labels)
            if thread.last_incoming_at:
                person.last_activity_at = max(
                    person.last_activity_at or thread.last_incoming_at, thread.last_incoming_at
                )
                # Chatwoot saves the contact after each message of it.
                person.updated_at = max(person.updated_at, person.last_activity_at)
        self._tag(batch, office, ("Contact", person.id), person.labels)
        batch.contacts.append(contact_row(person))

    def _tag(self, batch: _Batch, office: Office, target: tuple[str, int], labels: tuple[str, ...]) -> None:
        for label in labels:
            tag = office.tags[label]
            self.taggings[tag] += 1
            batch.taggings.append((next(self.next_tagging), tag, *target, "labels", self.sample.until))

    def _write(self, batch: _Batch) -> None:
        for table, columns, rows in (
            ("contacts", CONTACT_COLUMNS, batch.contacts),
            ("contact_inboxes", CONTACT_INBOX_COLUMNS, batch.contact_inboxes),
            ("conversations", CONVERSATION_COLUMNS, batch.conversations),
            ("messages", MESSAGE_COLUMNS, batch.messages),
            ("attachments", ATTACHMENT_COLUMNS, batch.attachments),
            ("taggings", _TAGGING_COLUMNS, batch.taggings),
        ):
            copy_rows(self.connection, table, columns, rows)


def _batched(numbers: range, size: int) -> Iterator[range]:
    for first in range(numbers.start, numbers.stop, size):
        yield range(first, min(first + size, numbers.stop))
