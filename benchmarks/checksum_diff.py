"""What it costs to compare everything with what was seen last, against copying the same columns.

python benchmarks/checksum_diff.py [--contacts 1000000] [--messages 0] [--rounds 5]

A Chatwoot database with contacts of everyday width and a sync database in which every one of them is
mapped. The base is a COPY of the columns that contacts are mapped from, to the same client, taken in
turns with the sweeps. With --messages also ten times fewer conversations are made and compared.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from chatwoot.database.source import DatabaseSource
from chatwoot.source import SourceFilter
from chatwoot.streams import Stream
from psycopg import sql
from reconciliation.extract.checksum_diff import ChecksumDiff, Differences, remember
from reconciliation.migrations import upgrade
from reconciliation.store.binding_scope import (
    BindingScope,
    register_installation,
    register_scope,
    register_target,
)
from rich.console import Console
from rich.table import Table

from benchmarks.common.results import keep
from sandbox.chatwoot.sample import Sample, fill
from sandbox.chatwoot.schema import create_schema
from stack.postgres import Cluster
from tests.ports import free_ports

ROOT = Path(__file__).resolve().parents[1]
SYNC = "benchmark"
CHANGED_SHARE = 0.001
CONTACT_COLUMNS = (
    "SELECT id, name, email, phone_number, identifier, blocked, additional_attributes, custom_attributes "
    "FROM contacts WHERE account_id = 1"
)
CONVERSATION_COLUMNS = (
    "SELECT id, display_id, contact_id, inbox_id, assignee_id, assignee_agent_bot_id, team_id, status, "
    "priority, created_at, cached_label_list, custom_attributes, additional_attributes "
    "FROM conversations WHERE account_id = 1"
)
MESSAGE_COLUMNS = (
    "SELECT id, conversation_id, message_type, content_type, content, content_attributes, "
    "additional_attributes, status, sender_type, sender_id, created_at FROM messages "
    "WHERE account_id = 1 AND NOT private AND message_type IN (0, 1)"
)
COPIES = {
    Stream.CONTACTS: (CONTACT_COLUMNS,),
    # What was said is part of a conversation.
    Stream.CONVERSATIONS: (CONVERSATION_COLUMNS, MESSAGE_COLUMNS),
    Stream.MESSAGES: (MESSAGE_COLUMNS,),
}
CHANGES = {
    Stream.CONTACTS: "UPDATE contacts SET name = name || '!' WHERE id = ANY(%s)",
    Stream.CONVERSATIONS: "UPDATE conversations SET cached_label_list = 'vip' WHERE id = ANY(%s)",
    Stream.MESSAGES: "UPDATE messages SET content = content || '!' WHERE id = ANY(%s)",
}
UNUSED_INDEXES = """
    SELECT indexname FROM pg_indexes
    WHERE tablename IN ('contacts', 'conversations', 'messages') AND indexname NOT LIKE '%_pkey'
        AND indexname NOT IN (
            'index_conversations_on_account_id_and_display_id', 'index_conversations_on_contact_id',
            'index_messages_on_conversation_account_type_created'
        )
"""
CONTACTS = """
    INSERT INTO contacts (
        id, account_id, name, email, phone_number, identifier, additional_attributes, custom_attributes,
        created_at, updated_at, last_activity_at, contact_type
    )
    SELECT
        n, 1, 'Mariana Oliveira ' || n, 'mariana.oliveira' || n || '@example.com',
        '+55119' || lpad(n::text, 8, '0'),
        CASE WHEN n %% 3 = 0 THEN 'shop-' || n END,
        jsonb_build_object(
            'company_name', 'Padaria Central ' || n %% 5000, 'city', 'São Paulo', 'country', 'Brazil',
            'country_code', 'BR', 'description', 'Asks for wholesale prices, wants an offer for order ' || n,
            'social_profiles', jsonb_build_object('facebook', 'mariana' || n, 'linkedin', '', 'twitter', ''),
            'created_at_ip', '203.0.113.' || n %% 256
        ) || CASE WHEN n %% 4 = 0
            THEN jsonb_build_object('last_avatar_sync_at', '2026-05-01', 'avatar_url_hash', md5(n::text))
            ELSE '{}' END,
        jsonb_build_object(
            'plan', (ARRAY['free', 'team', 'business'])[1 + n %% 3], 'lead_value', n %% 9000,
            'newsletter', n %% 2 = 0
        ),
        now() - n %% 700 * interval '1 day', now() - n %% 300 * interval '1 day',
        now() - n %% 300 * interval '1 day', 1
    FROM generate_series(1, %(contacts)s) AS n
"""
LINKS = """
    INSERT INTO contact_inboxes (contact_id, inbox_id, source_id, created_at, updated_at)
    SELECT n, (SELECT min(id) FROM inboxes WHERE account_id = 1), 'source-' || n, now(), now()
    FROM generate_series(1, %(contacts)s) AS n
"""
CONVERSATIONS = """
    INSERT INTO conversations (account_id, inbox_id, contact_id, status, custom_attributes,
        additional_attributes, created_at, updated_at, last_activity_at, assignee_id)
    SELECT
        1, (SELECT min(id) FROM inboxes WHERE account_id = 1), 1 + n %% %(contacts)s, n %% 2,
        jsonb_build_object('order', n), jsonb_build_object('browser', jsonb_build_object('name', 'Firefox')),
        now() - interval '9 days', now(), now(), (SELECT min(id) FROM users)
    FROM generate_series(1, %(conversations)s) AS n
"""
MESSAGES = """
    INSERT INTO messages (account_id, inbox_id, conversation_id, message_type, content, sender_type,
        sender_id, content_attributes, created_at, updated_at)
    SELECT
        1, conversation.inbox_id, conversation.id, n %% 2,
        'Hello, I would like to know when order ' || n || ' will arrive, and can it go elsewhere?',
        CASE WHEN n %% 2 = 0 THEN 'Contact' ELSE 'User' END,
        CASE WHEN n %% 2 = 0 THEN conversation.contact_id ELSE conversation.assignee_id END,
        '{}', now() - interval '1 day', now()
    FROM conversations AS conversation
    CROSS JOIN generate_series(1, 10) AS n
"""
MAPPING = """
    INSERT INTO krayin_sync.mapping (target_id, scope_id, source_kind, source_id, crm_kind, crm_id, origin,
        state, source_hash, acked_hash, last_sent, source_read_at, planned_at)
    SELECT %(target_id)s, %(scope_id)s, 'contact', n::text, kind, n, 'created', 'linked',
        decode(md5(n::text), 'hex'), decode(md5(n::text), 'hex'),
        jsonb_build_object('name', 'Mariana Oliveira ' || n, 'emails',
            jsonb_build_array(jsonb_build_object('value', 'mariana.oliveira' || n || '@example.com'))),
        now() - interval '9 days', now() - interval '9 days'
    FROM generate_series(1, %(contacts)s) AS n CROSS JOIN (VALUES ('person'), ('lead')) AS kinds (kind)
"""


@dataclass(frozen=True)
class Databases:
    """Both databases, and whose rows are compared."""

    chatwoot: str
    sync: str
    identity: BindingScope

    def checksum_diff(self, stream: Stream, *, keep: bool = False) -> tuple[float, Differences]:
        """Return the seconds of one checksum_diff and what it found; with `keep` it is remembered."""
        with psycopg.connect(self.sync, autocommit=True) as connection:
            began = time.perf_counter()
            with DatabaseSource(self.chatwoot).snapshot() as snapshot:
                found = ChecksumDiff(
                    connection, SYNC, self.identity, snapshot, SourceFilter(1), (stream,)
                ).differences()
            seconds = time.perf_counter() - began
            if keep:
                with connection.transaction():
                    remember(connection, found.diff_id, SYNC, self.identity)
        return seconds, found

    def copy(self, stream: Stream) -> float:
        """Return the seconds of copying the columns of a stream to this process."""
        began = time.perf_counter()
        with psycopg.connect(self.chatwoot) as connection:
            for query in COPIES[stream]:
                with connection.cursor().copy(f"COPY ({query}) TO STDOUT") as copy:
                    for _ in copy:
                        pass
        return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--messages", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        # Only reading is measured: it does not depend on how safely the rows were written.
        settings = {"max_wal_size": "8GB", "fsync": "off", "synchronous_commit": "off"}
        cluster = Cluster(folder / "postgres", free_ports(1)[0], "benchmark", settings)
        cluster.start()
        stack.callback(cluster.stop, "immediate")
        databases = made(cluster, arguments.contacts, arguments.messages)
        streams = (Stream.CONTACTS, *((Stream.CONVERSATIONS, Stream.MESSAGES) if arguments.messages else ()))
        rows = [measured(databases, stream, arguments.rounds) for stream in streams]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    table = Table(
        "stream", "rows", "first", "COPY", "unchanged", "ratio", "0.1 % changed", "ratio", "compared"
    )
    for row in rows:
        table.add_row(
            row["stream"],
            f"{row['rows']:,}",
            *(
                f"{row[name]:.2f}"
                for name in (
                    "first", "copy", "unchanged", "unchanged_to_copy", "changed", "changed_to_unchanged"
                )
            ),
            f"{row['compared_buckets']:,} of {row['buckets']:,}",
        )  # fmt: skip
    console = Console(width=120)
    console.print(table)
    console.print(f"Seconds, medians of {arguments.rounds} rounds; peak memory of this process {peak:.0f} MB")
    keep("checksum_diff", {"streams": rows, "peak_mb": round(peak)})


def made(cluster: Cluster, contacts: int, messages: int) -> Databases:
    """Return a Chatwoot of that size, and a sync database in which every contact is mapped."""
    for database in ("chatwoot", "sync"):
        cluster.create_database(database)
    chatwoot, sync = cluster.dsn("chatwoot"), cluster.dsn("sync")
    upgrade(sync)
    with psycopg.connect(chatwoot, autocommit=True) as connection:
        create_schema(connection)
        fill(connection, Sample(contacts=0, conversations=0, messages=0, accounts=1))
        # What no checksum_diff uses only costs time to fill.
        for index in connection.execute(UNUSED_INDEXES).fetchall():
            connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(index[0])))
        size = {"contacts": contacts, "conversations": messages // 10}
        for statement in (CONTACTS, LINKS, *((CONVERSATIONS, MESSAGES) if messages else ())):
            connection.execute(statement, size)
        connection.execute("VACUUM ANALYZE")
    with psycopg.connect(sync, autocommit=True) as connection:
        identity = register_scope(
            connection,
            register_target(connection, "https://crm.example.com/api/v1"),
            register_installation(connection, "benchmark"),
            1,
        )
        connection.execute(MAPPING, {"contacts": contacts, **identity.parameters()})
        connection.execute("VACUUM ANALYZE")
    return Databases(chatwoot, sync, identity)


def measured(databases: Databases, stream: Stream, rounds: int) -> dict[str, Any]:
    """Return the times of one stream; asserts that exactly what was changed is found."""
    first, found = databases.checksum_diff(stream, keep=True)
    stream_diff = found.streams[stream]
    copies, unchanged = [], []
    for _ in range(rounds):
        copies.append(databases.copy(stream))
        seconds, found = databases.checksum_diff(stream)
        unchanged.append(seconds)
        assert not found.streams[stream].counts, found.to_json()
    table = str(stream)
    with psycopg.connect(databases.chatwoot, autocommit=True) as connection:
        # The same every time, spread over everything.
        ids = [
            row[0]
            for row in connection.execute(
                f"SELECT id FROM {table} ORDER BY hashint8extended(id, 7) LIMIT %s",
                (max(1, round(stream_diff.rows * CHANGED_SHARE)),),
            )
        ]
        connection.execute(CHANGES[stream], (ids,))
    changed = []
    for _ in range(rounds):
        seconds, found = databases.checksum_diff(stream)
        changed.append(seconds)
        assert sum(found.streams[stream].counts.values()) == len(ids), found.to_json()
    times = {
        "first": first,
        "copy": statistics.median(copies),
        "unchanged": statistics.median(unchanged),
        "changed": statistics.median(changed),
    }
    return {
        "stream": str(stream),
        "rows": stream_diff.rows,
        "buckets": stream_diff.buckets,
        "compared_buckets": found.streams[stream].compared_buckets,
        "changed_rows": len(ids),
        **{name: round(seconds, 3) for name, seconds in times.items()},
        "unchanged_to_copy": round(times["unchanged"] / times["copy"], 2),
        "changed_to_unchanged": round(times["changed"] / times["unchanged"], 2),
    }


if __name__ == "__main__":
    main()
