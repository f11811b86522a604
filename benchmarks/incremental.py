"""What an incremental run costs when nothing, or little, has changed.

python benchmarks/incremental.py [--contacts 1000000] [--messages 10000000] [--changes 0 10 1000]

A Chatwoot with that many contacts and messages, and a tenth as many conversations, is planned once; then
everything counts as done in Krayin, and a scheduled run plans again: alone with contacts, and with
conversations and messages switched on. Half of the changes are renamed contacts, half new messages. Each run
is a process of its own; its work is the time from its start to the commit of its plan.

Baselines of the same run: a full-frame diff in pandas, which reads both sides whole, hashes every row and
compares; an incremental load in plain SQL by `updated_at`, as pipelines with a cursor column do it (it
misses late commits and writes that leave `updated_at` alone); and one scan of the tables, the least there is.

Of Chatwoot's indexes on messages only those that any statement here can use are made.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.common.chatwoot_rows import add_contacts, add_talk, new_chatwoot
from benchmarks.common.results import keep, show
from benchmarks.common.usage import in_a_process, measured, postmaster, report
from stack.postgres import Cluster
from tests.ports import free_ports

ROOT = Path(__file__).resolve().parents[1]
SETTINGS: dict[str, Any] = {"sync_to_organization": True, "default_phone_region": "US"}
TALK = {"sync_conversations": True, "sync_messages": True}
UNUSED_INDEXES = (
    "index_messages_on_additional_attributes_campaign_id",
    "idx_messages_account_content_created",
    "index_messages_on_account_id_and_inbox_id",
    "index_messages_on_account_id",
    "index_messages_on_content",
    "index_messages_on_conversation_id",
    "index_messages_on_created_at",
    "index_messages_on_inbox_id",
    "index_messages_on_sender_type_and_sender_id",
    "index_messages_on_source_id",
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--changes", type=int, nargs="+", default=(0, 10, 1000))
    parser.add_argument("--task", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        name, arguments = options.task
        TASKS[name](**json.loads(arguments))
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = {
            "max_wal_size": "8GB",
            "shared_buffers": "512MB",
            "wal_level": "minimal",
            "max_wal_senders": "0",
        }
        cluster = Cluster(folder / "postgres", free_ports(1)[0], "benchmark", settings)
        cluster.start()
        stack.callback(cluster.stop, "immediate")
        rows = measure(cluster, options.contacts, options.messages, options.changes)
    show(rows, f"A run over {options.contacts:,} contacts and {options.messages:,} messages")
    keep("incremental", rows)


def measure(cluster: Cluster, contacts: int, messages: int, changes: tuple[int, ...]) -> list[dict[str, Any]]:
    from sandbox.krayin.testing import running_krayin  # noqa: PLC0415

    at = {"chatwoot": cluster.dsn("chatwoot"), "sync": cluster.dsn("sync"), "server": postmaster(cluster)}
    make(cluster, contacts, messages)
    this = Path(__file__)
    rows: list[dict[str, Any]] = []
    with running_krayin() as krayin:
        ways = {"url": krayin.url, "token": krayin.token}
        in_a_process(this, "first", **at, **ways)
        settle(at["sync"])
        for conversations in (False, True):
            for number in changes:
                # Also moves the watermarks of streams that were just switched on.
                in_a_process(this, "catch_up", **at, **ways, conversations=conversations)
                change(at["chatwoot"], number, contacts, messages)
                what = "contacts, conversations, messages" if conversations else "contacts"
                done = in_a_process(this, "run", **at, **ways, conversations=conversations)
                rows.append(_row(f"this, {what}", number, done))
    rows.extend(
        _row(name, 0, in_a_process(this, task, **at, conversations=conversations))
        for name, task, conversations in (
            ("pandas diff, contacts", "pandas", False),
            ("pandas diff, contacts and messages", "pandas", True),
            ("plain SQL by updated_at, contacts", "updated_at", False),
            ("plain SQL by updated_at, contacts and messages", "updated_at", True),
            ("one scan, contacts", "scan", False),
            ("one scan, contacts and messages", "scan", True),
        )
    )
    base = {row["what"]: row["seconds"] for row in rows}
    for row in rows:
        frame = base["pandas diff, contacts" + (" and messages" if "messages" in row["what"] else "")]
        row["pandas_takes"] = f"{frame / max(row['seconds'], 0.001):.1f} x"
    return rows


def _row(what: str, changes: int, done: dict[str, Any]) -> dict[str, Any]:
    return {
        "what": what,
        "changes": changes,
        "seconds": round(done["wall"], 2),
        "python_cpu": round(done["python_cpu"], 2),
        "postgres_cpu": round(done["postgres_cpu"], 2),
        "peak_mb": round(done["peak_mb"]),
        "planned": done.get("planned", ""),
    }


def make(cluster: Cluster, contacts: int, messages: int) -> None:
    from reconciliation.migrations import upgrade  # noqa: PLC0415

    for database in ("chatwoot", "sync"):
        cluster.create_database(database)
    upgrade(cluster.dsn("sync"))
    with psycopg.connect(cluster.dsn("chatwoot"), autocommit=True) as connection:
        new_chatwoot(connection)
        connection.execute(f"DROP INDEX {', '.join(UNUSED_INDEXES)}")
        add_contacts(connection, contacts)
        add_talk(connection, contacts, messages // 10, messages)


def settle(sync: str) -> None:
    """Let everything planned count as carried out: each contact has a person and a lead."""
    with psycopg.connect(sync, autocommit=True) as connection:
        connection.execute("SET search_path = krayin_sync")
        connection.execute("ALTER TABLE mapping DISABLE TRIGGER USER")
        connection.execute(
            "UPDATE operation SET state = 'done', finished_at = clock_timestamp() WHERE state = 'planned'"
        )
        connection.execute(
            "UPDATE mapping SET state = 'linked', origin = 'created', crm_id = id, acked_hash = source_hash,"
            " acked_at = clock_timestamp(), last_sent = '{}'"
        )
        connection.execute("ALTER TABLE mapping ENABLE TRIGGER USER")
        connection.execute("VACUUM ANALYZE mapping, operation")


def change(chatwoot: str, number: int, contacts: int, messages: int) -> None:
    """Rename some contacts and add as many messages, spread over all."""
    half = number // 2
    if not half:
        return
    with psycopg.connect(chatwoot, autocommit=True) as connection:
        connection.execute(
            "UPDATE contacts SET name = name || ' x', updated_at = clock_timestamp() AT TIME ZONE 'UTC'"
            " WHERE id IN (SELECT n * %s FROM generate_series(1, %s) AS n)",
            (contacts // (half + 1), half),
        )
        connection.execute(
            "INSERT INTO messages (account_id, inbox_id, conversation_id, message_type, content_type,"
            " private, content, sender_type, sender_id, status, created_at, updated_at)"
            " SELECT 1, 1, n * %s, 0, 0, false, 'One more', 'Contact', 1, 0, now(), now()"
            " FROM generate_series(1, %s) AS n",
            (messages // 10 // (half + 1), half),
        )


def _sync(chatwoot: str, sync: str, url: str, token: str, *, conversations: bool) -> Any:
    from benchmarks.common.worlds import sync_of  # noqa: PLC0415

    return sync_of(chatwoot, sync, url, token, **SETTINGS, **(TALK if conversations else {}))


def first(chatwoot: str, sync: str, server: int, url: str, token: str) -> None:
    from reconciliation.run.request import RunRequest  # noqa: PLC0415

    with measured(server) as usage:
        _sync(chatwoot, sync, url, token, conversations=False).plan(RunRequest())
    report(usage)


def catch_up(  # noqa: PLR0913
    chatwoot: str, sync: str, server: int, url: str, token: str, *, conversations: bool
) -> None:
    """Move the watermarks to now, as after a run that planned everything up to now."""
    from psycopg.types.json import Jsonb  # noqa: PLC0415
    from reconciliation.extract.streams import streams  # noqa: PLC0415
    from reconciliation.run.request import RunRequest  # noqa: PLC0415

    one = _sync(chatwoot, sync, url, token, conversations=conversations)
    with one.source.snapshot() as snapshot:
        mark = snapshot.watermark
    with psycopg.connect(sync, autocommit=True) as connection, measured(server) as usage:
        connection.execute("SET search_path = krayin_sync")
        connection.execute("UPDATE watermark SET position = %s", (Jsonb(mark.to_json()),))
        for spec in streams(one.settings):
            connection.execute(
                "INSERT INTO watermark (sync_name, stream, scope_id, position, settings_hash, run_id)"
                " SELECT sync_name, %s, scope_id, %s, %s, run_id FROM watermark"
                " WHERE stream = 'contacts' ON CONFLICT DO NOTHING",
                (spec.watermark, Jsonb(mark.to_json()), spec.settings_hash(one.settings)),
            )
    # The first run with another setting asks Krayin for what it keeps for an hour.
    one.plan(RunRequest())
    report(usage)


def run(  # noqa: PLR0913
    chatwoot: str, sync: str, server: int, url: str, token: str, *, conversations: bool
) -> None:
    from reconciliation.run.request import RunRequest  # noqa: PLC0415
    from reconciliation.store.run_rows import RunKind  # noqa: PLC0415

    one = _sync(chatwoot, sync, url, token, conversations=conversations)
    with measured(server) as usage:
        run_id = one.plan(RunRequest(kind=RunKind.SCHEDULED))
    with psycopg.connect(sync) as connection:
        row = connection.execute(
            "SELECT count(*) FROM krayin_sync.operation WHERE run_id = %s", (run_id,)
        ).fetchone()
    assert row is not None
    report(usage, planned=row[0])


def pandas_task(chatwoot: str, sync: str, server: int, *, conversations: bool) -> None:
    from benchmarks.common.baselines import pandas_diff, pandas_diff_of_messages  # noqa: PLC0415

    with measured(server) as usage:
        pandas_diff(chatwoot, sync)
        if conversations:
            pandas_diff_of_messages(chatwoot)
    report(usage)


def updated_at(chatwoot: str, sync: str, server: int, *, conversations: bool) -> None:  # noqa: ARG001
    from benchmarks.common.baselines import updated_since  # noqa: PLC0415

    with measured(server) as usage:
        updated_since(chatwoot, ("contacts", "messages") if conversations else ("contacts",))
    report(usage)


def scan(chatwoot: str, sync: str, server: int, *, conversations: bool) -> None:  # noqa: ARG001
    from benchmarks.common.baselines import scan_once  # noqa: PLC0415

    with measured(server) as usage:
        scan_once(chatwoot, ("contacts", "messages") if conversations else ("contacts",))
    report(usage)


TASKS = {
    "first": first,
    "catch_up": catch_up,
    "run": run,
    "pandas": pandas_task,
    "updated_at": updated_at,
    "scan": scan,
}


if __name__ == "__main__":
    main()
