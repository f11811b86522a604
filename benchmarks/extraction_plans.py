"""The plans of the statements that read Chatwoot, on a million contacts.

python benchmarks/extraction_plans.py [--contacts 1000000] [--conversations 500000] [--messages 3000000]

Makes a Chatwoot in a PostgreSQL of its own, changes a little in it, and writes what EXPLAIN (ANALYZE,
BUFFERS) says of each statement, read with a warm cache, to benchmarks/results/extraction_plans.txt.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from chatwoot.database.streams import STREAMS
from chatwoot.database.written import RECENT, SLACK
from chatwoot.streams import Stream
from psycopg import sql
from rich.console import Console
from rich.table import Table
from statements import statement

from benchmarks.common.chatwoot_rows import ACCOUNT, add_contacts, add_talk, new_chatwoot
from sandbox.chatwoot import changes, conversations
from stack.postgres import Cluster
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[1]
CHANGED = 20
CHUNK = 2000


def plans(connection: psycopg.Connection[Any], contacts: int) -> dict[str, str]:
    """Return the plan of each statement, after a little has changed since a snapshot."""
    since = _one(connection, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
    highest = {
        table: _one(connection, sql.SQL("SELECT coalesce(max(id), 0) FROM {}").format(sql.Identifier(table)))
        for stream in STREAMS.values()
        for table in stream.written
    }
    connection.execute("SELECT setval(pg_get_serial_sequence('messages', 'id'), max(id)) FROM messages")
    step = contacts // CHANGED
    for number in range(1, contacts + 1, step):
        changes.update_contact(connection, number, name=f"Changed {number}")
        conversations.add_message(connection, (number - 1) % 1000 + 1, "Are you there?")
    next_xid = _one(connection, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
    look = {"account_id": ACCOUNT, "since_xid": since, "next_xid": next_xid, "after": None, "recent": None}
    some = {
        "account_id": ACCOUNT,
        "inboxes": None,
        "where": None,
        "ids": list(range(1, contacts, contacts // CHUNK)),
    }
    asked: dict[str, tuple[str, dict[str, Any]]] = {}
    for table in STREAMS[Stream.CONTACTS].written + STREAMS[Stream.CONVERSATIONS].written:
        recent = datetime.now(UTC) - RECENT.get(table, timedelta(0))
        by_index = {**look, "after": highest[table] - SLACK, "recent": recent}
        asked[f"{table} written since, by index"] = f"written/{table}", by_index
        asked[f"{table} written since, exactly"] = f"written/{table}", look
    every = {**some, "contact_ids": None, "keys": None, "start": None, "end": None}
    asked |= {
        "ids of all contacts": ("contacts/ids", every),
        "contacts by id": ("contacts/rows", some),
        "conversations by id": (
            "conversations/rows",
            {**some, **STREAMS[Stream.CONVERSATIONS].parameters, "transcripts": False},
        ),
        "messages by id": ("messages/rows", {**some, "letters": 70000}),
        "progress by id": ("progress/rows", some),
    }
    return {what: _explained(connection, name, values) for what, (name, values) in asked.items()}


def _explained(connection: psycopg.Connection[Any], name: str, values: dict[str, Any]) -> str:
    text = statement(name)
    with connection.transaction():
        connection.execute("SET LOCAL TimeZone = 'UTC'")
        connection.execute(text, values).fetchall()
        explain = "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, SETTINGS ON) "
        return "\n".join(row[0] for row in connection.execute(explain + text, values))


def _one(connection: psycopg.Connection[Any], query: Any) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def summary(plan: str) -> tuple[str, str, str]:
    """Return the kinds of scan, the buffers of the whole and the milliseconds of a plan."""
    scans = re.findall(
        r"((?:Parallel )?(?:Seq|Index(?: Only)?|Bitmap Heap) Scan)(?: using (\w+))? on (\w+)", plan
    )
    named = dict.fromkeys(
        f"{kind} on {table}" + (f" ({index})" if index else "") for kind, index, table in scans
    )
    buffers = re.search(r"Buffers: (.*)", plan)
    elapsed = re.search(r"Execution Time: ([\d.]+) ms", plan)
    return "; ".join(named), buffers.group(1) if buffers else "", elapsed.group(1) if elapsed else ""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--conversations", type=int, default=500_000)
    parser.add_argument("--messages", type=int, default=3_000_000)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks/results/extraction_plans.txt")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        settings = {"fsync": "off", "shared_buffers": "2GB", "max_wal_size": "8GB", "autovacuum": "off"}
        cluster = Cluster(Path(directory) / "data", free_port(), "benchmark", settings)
        cluster.start()
        try:
            cluster.create_database("chatwoot")
            with psycopg.connect(cluster.dsn("chatwoot"), autocommit=True) as connection:
                began = time.monotonic()
                new_chatwoot(connection)
                add_contacts(connection, options.contacts)
                add_talk(connection, options.contacts, options.conversations, options.messages)
                Console().print(f"Made in {time.monotonic() - began:.0f} s")
                version = connection.info.server_version
                found = plans(connection, options.contacts)
        finally:
            cluster.stop("immediate")
    table = Table(title=f"{options.contacts:,} contacts, {options.messages:,} messages, PostgreSQL {version}")
    for column in ("statement", "scans", "buffers", "ms"):
        table.add_column(column)
    for name, plan in found.items():
        table.add_row(name, *summary(plan))
    Console(width=200).print(table)
    head = (
        f"{options.contacts} contacts, {options.conversations} conversations, {options.messages} messages; "
        f"{CHANGED} contacts and {CHANGED} messages written since the mark; {CHUNK} rows read by id\n"
    )
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(head + "".join(f"\n== {name}\n{plan}\n" for name, plan in found.items()))


if __name__ == "__main__":
    main()
