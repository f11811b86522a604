"""A Chatwoot with two contacts and all that can hang on them, and sweeps of it."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from chatwoot.database.source import DatabaseSnapshot, DatabaseSource
from chatwoot.source import SourceFilter
from chatwoot.streams import Stream
from psycopg import sql
from psycopg.rows import namedtuple_row
from reconciliation.extract.checksum_diff import ChecksumDiff, ChecksumDifference, remember
from reconciliation.store.binding_scope import (
    BindingScope,
    register_installation,
    register_scope,
    register_target,
)

from sandbox.chatwoot import changes, conversations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reconciliation.extract.checksum_diff import Differences

SYNC = "test"
NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
STREAMS = tuple(Stream)

Keys = dict[Stream, list[int]]


@dataclass
class Scenario:
    """Both databases; `ids` as `write_paths` names them, `keys` by stream and name."""

    chatwoot_url: str
    sync: psycopg.Connection
    ids: dict[str, int] = field(default_factory=dict)
    keys: dict[Stream, dict[str, int]] = field(default_factory=dict)
    writer: psycopg.Connection | None = None

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Undo what is written and remembered meanwhile; readings see it until then."""
        with (
            psycopg.connect(self.chatwoot_url, row_factory=namedtuple_row) as writer,
            self.sync.transaction(force_rollback=True),
        ):
            self.writer = writer
            try:
                yield
            finally:
                self.writer = None
                writer.rollback()

    @contextmanager
    def snapshot(self) -> Iterator[DatabaseSnapshot]:
        """Open a reading, in the writer's transaction if there is one."""
        if self.writer is not None:
            yield DatabaseSnapshot(self.writer, self.source)
            return
        with self.source.snapshot() as snapshot:
            yield snapshot

    @property
    def source(self) -> DatabaseSource:
        return DatabaseSource(self.chatwoot_url)

    @property
    def identity(self) -> BindingScope:
        krayin = register_target(self.sync, "http://krayin")
        return register_scope(self.sync, krayin, register_installation(self.sync, "chatwoot"), 1)

    def write(self, statements: str) -> None:
        """Execute statements as Chatwoot, in one transaction."""
        with nullcontext(self.writer) if self.writer else psycopg.connect(self.chatwoot_url) as connection:
            for one in statements.split(";"):
                connection.execute(one, self.ids)

    def look(
        self,
        scope: SourceFilter | None = None,
        streams: Sequence[Stream] = STREAMS,
        name: str = SYNC,
        *,
        every_mapped: bool = False,
        **options: Any,
    ) -> Differences:
        """ChecksumDiff and remember nothing."""
        with self.snapshot() as snapshot:
            return ChecksumDiff(
                self.sync, name, self.identity, snapshot, scope or SourceFilter(1), streams, **options
            ).differences(every_mapped=every_mapped)

    def remember(self, found: Differences, name: str = SYNC) -> None:
        with self.sync.transaction():
            remember(self.sync, found.diff_id, name, self.identity)

    def checksum_diff(self, scope: SourceFilter | None = None, **options: Any) -> Differences:
        """ChecksumDiff and remember."""
        found = self.look(scope, **options)
        self.remember(found)
        return found

    def key(self, stream: Stream, names: str) -> list[int]:
        """Return the keys of records by name; `new` is the one written last."""
        return sorted(self.keys[stream].get(name) or self._newest(stream) for name in names.split())

    def _newest(self, stream: Stream) -> int:
        key = "display_id" if stream is Stream.CONVERSATIONS else "id"
        query = sql.SQL("SELECT max({}) FROM {}").format(sql.Identifier(key), sql.Identifier(stream))
        with nullcontext(self.writer) if self.writer else psycopg.connect(self.chatwoot_url) as connection:
            row = connection.execute(query).fetchone()
        assert row is not None
        return int(row[0])

    def map(self, kind: str, key: int, *, read_at: datetime, crm_kind: str = "person") -> None:
        """Note a record as planned from a reading."""
        self.sync.execute(
            """
            INSERT INTO krayin_sync.mapping (target_id, scope_id, source_kind, source_id, crm_kind, crm_id,
                origin, state, source_read_at)
            VALUES (%(target_id)s, %(scope_id)s, %(kind)s, %(key)s::text, %(crm_kind)s,
                %(key)s::text::bigint, 'created', 'linked', %(read_at)s)
            ON CONFLICT (scope_id, source_kind, source_id, crm_kind)
            DO UPDATE SET source_read_at = excluded.source_read_at
            """,
            {
                **self.identity.parameters(),
                "kind": kind,
                "key": str(key),
                "crm_kind": crm_kind,
                "read_at": read_at,
            },
        )


def changed(found: Differences) -> Keys:
    """Return the keys to be planned by stream, those without any left out."""
    return {stream: keys for stream in found.streams if (keys := list(found.keys(stream)))}


def vanished(found: Differences) -> Keys:
    """Return the keys that are gone by stream, those without any left out."""
    return {
        stream: keys
        for stream in found.streams
        if (keys := list(found.keys(stream, ChecksumDifference.VANISHED)))
    }


def left(found: Differences) -> Keys:
    """Return the keys out of scope by stream, those without any left out."""
    return {
        stream: keys
        for stream in found.streams
        if (keys := list(found.keys(stream, ChecksumDifference.LEFT)))
    }


def counted(found: Differences) -> Mapping[str, Mapping[str, int]]:
    """Return the numbers of differences by stream and kind, streams without any left out."""
    return {
        str(stream): {str(kind): number for kind, number in stream_diff.counts.items()}
        for stream, stream_diff in found.streams.items()
        if stream_diff.counts
    }


def make_scene(chatwoot_url: str, sync: psycopg.Connection) -> Scenario:
    """Fill an empty Chatwoot account 1 and return the scenario."""
    scenario = Scenario(chatwoot_url, sync)
    with psycopg.connect(chatwoot_url, autocommit=True) as connection:

        def one(query: str) -> int:
            row = connection.execute(query).fetchone()
            assert row is not None
            return int(row[0])

        website = one("SELECT id FROM inboxes WHERE account_id = 1 AND channel_type = 'Channel::WebWidget'")
        mailbox = one("SELECT id FROM inboxes WHERE account_id = 1 AND channel_type = 'Channel::Email'")
        agent = conversations.agent_named(connection, "Ada Brandt")
        bot = one("SELECT min(id) FROM agent_bots")
        team = one("SELECT min(id) FROM teams WHERE account_id = 1")
        ada = changes.add_contact(
            connection,
            1,
            inbox_id=website,
            name="Ada",
            email="ada@example.com",
            phone_number="+493012345",
            additional_attributes={"city": "Berlin"},
            custom_attributes={"plan": "gold", "vat": True, "seats": 3},
            created_at=NOON,
            updated_at=NOON,
            last_activity_at=NOON,
        )
        changes.label_contact(connection, ada, "vip", touch=False)
        bob = changes.add_contact(
            connection, 1, inbox_id=mailbox, name="Bob", created_at=LONG_AGO, updated_at=LONG_AGO
        )
        changes.link_inbox(connection, bob, mailbox, "krayin:person:50")
        talk = conversations.add_conversation(
            connection,
            ada,
            website,
            created_at=NOON,
            assignee_id=agent,
            team_id=team,
            cached_label_list="bug, vip",
            custom_attributes={"order": 5},
        )
        asked = conversations.add_message(connection, talk, "Hello", created_at=NOON)
        file = conversations.add_attachment(connection, asked, "order.pdf", "application/pdf", 500)
        said = conversations.add_message(
            connection, talk, "Hi", message_type=1, sender_type="User", sender_id=agent,
            created_at=NOON + timedelta(hours=1),
        )  # fmt: skip
        greeted = conversations.add_message(
            connection, talk, "Welcome", message_type=1, sender_type="AgentBot", sender_id=bot,
            created_at=NOON + timedelta(minutes=1),
        )  # fmt: skip
        conversations.resolve(connection, talk, NOON + timedelta(hours=2))
        other = conversations.add_conversation(
            connection, bob, mailbox, created_at=LONG_AGO, assignee_agent_bot_id=bot
        )
        wrote = conversations.add_message(connection, other, "Hey", created_at=LONG_AGO)
        scenario.ids = {
            "ada": ada, "bob": bob, "talk": talk, "other": other, "asked": asked, "said": said,
            "greeted": greeted, "wrote": wrote, "website": website, "mailbox": mailbox, "agent": agent,
            "bot": bot, "team": team, "file": file, "blob": one("SELECT max(id) FROM active_storage_blobs"),
        }  # fmt: skip
        numbers = dict(connection.execute("SELECT id, display_id FROM conversations").fetchall())
        scenario.keys = {
            Stream.CONTACTS: {"ada": ada, "bob": bob},
            Stream.CONVERSATIONS: {"talk": numbers[talk], "other": numbers[other]},
            Stream.MESSAGES: {
                "asked": asked, "said": said, "greeted": greeted, "wrote": wrote,
            },
            Stream.PROGRESS: {"ada": ada, "bob": bob},
        }  # fmt: skip
    return scenario
