"""What an incremental run costs when nothing, or little, has changed.

python benchmarks/incremental.py [--contacts 1000000] [--messages 2000000] [--changes 0 10 1000]

A Chatwoot with that many contacts and messages, and as many conversations as contacts, is planned once; then
everything counts as done in Krayin, and a scheduled run plans again: alone with contacts, and with
conversations and messages switched on, by index and exactly. Half of the changes are renamed contacts who
wrote, half new messages. Each run is a process of its own; its work is the time from its start to the commit
of its plan. Chatwoot has a server of its own: its pages and its CPU are those of all that the run asks.

Baselines of the same run: a full-frame diff in pandas, which reads both sides whole, hashes every row and
compares; an incremental load in plain SQL by `updated_at`, as pipelines with a cursor column do it (it
misses late commits and writes that leave `updated_at` alone); and one scan of the tables, the least there is.

Of Chatwoot's indexes the one on the words of messages is not made: it takes longer than all the rest.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks.common.chatwoot_rows import add_contacts, add_talk, new_chatwoot
from benchmarks.common.results import keep, show
from benchmarks.common.usage import in_a_process, measured, pages_read, postmaster
from stack.postgres import Cluster
from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS: dict[str, Any] = {"sync_to_organization": True, "default_phone_region": "US"}
TALK = {"sync_conversations": True, "sync_messages": True}
LONG = {"exact": 0, "by index": 3600}
"""Seconds that the last exact look is said to have taken: after one of an hour the next is by index."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--messages", type=int, default=2_000_000)
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
        servers = {}
        for name, port in zip(("chatwoot", "sync"), free_ports(2), strict=True):
            servers[name] = Cluster(folder / name, port, "benchmark", settings)
            servers[name].start()
            stack.callback(servers[name].stop, "immediate")
            servers[name].create_database(name)
        rows = measure(servers, options.contacts, options.messages, options.changes)
    show(rows, f"A run over {options.contacts:,} contacts and {options.messages:,} messages")
    keep("incremental", rows)


def measure(
    servers: dict[str, Cluster], contacts: int, messages: int, changes: tuple[int, ...]
) -> list[dict[str, Any]]:
    from sandbox.krayin.testing import running_krayin  # noqa: PLC0415

    at = {name: cluster.dsn(name) for name, cluster in servers.items()}
    at |= {f"{name}_server": postmaster(cluster) for name, cluster in servers.items()}
    make(at["chatwoot"], at["sync"], contacts, messages)
    this = Path(__file__)
    rows: list[dict[str, Any]] = []
    with running_krayin() as krayin:
        at |= {"url": krayin.url, "token": krayin.token}
        in_a_process(this, "first", at=at)
        settle(at["sync"])
        for conversations, look, number in product((False, True), LONG, changes):
            # Also moves the watermarks of streams that were just switched on.
            in_a_process(this, "catch_up", at=at, conversations=conversations, look=look)
            change(at["chatwoot"], number, contacts)
            what = "contacts, conversations, messages" if conversations else "contacts"
            done = in_a_process(this, "run", at=at, conversations=conversations)
            rows.append(_row(f"{look}, {what}", number, done))
    rows.extend(
        _row(
            f"{way}, contacts" + (" and messages" if conversations else ""),
            0,
            in_a_process(this, "baseline", at=at, way=way, conversations=conversations),
        )
        for way, conversations in product(
            ("pandas diff", "plain SQL by updated_at", "one scan"), (False, True)
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
        "chatwoot_cpu": round(done["chatwoot_cpu"], 2),
        "chatwoot_pages": done["pages"],
        "peak_mb": round(done["peak_mb"]),
        "planned": done.get("planned", ""),
    }


def make(chatwoot: str, sync: str, contacts: int, messages: int) -> None:
    from reconciliation.migrations import upgrade  # noqa: PLC0415

    upgrade(sync)
    with psycopg.connect(chatwoot, autocommit=True) as connection:
        new_chatwoot(connection)
        connection.execute("DROP INDEX index_messages_on_content")
        add_contacts(connection, contacts)
        add_talk(connection, contacts, contacts, messages)


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
        # As autovacuum does it some minutes later.
        connection.execute("VACUUM ANALYZE mapping, operation, staged_contact, organization_member")


def change(chatwoot: str, number: int, contacts: int) -> None:
    """Rename some contacts, who write, and add as many messages to conversations, spread over all."""
    half = number // 2
    if not half:
        return
    with psycopg.connect(chatwoot, autocommit=True) as connection:
        connection.execute(
            "UPDATE contacts SET name = name || ' x', updated_at = clock_timestamp() AT TIME ZONE 'UTC',"
            " last_activity_at = clock_timestamp() AT TIME ZONE 'UTC'"
            " WHERE id IN (SELECT n * %s FROM generate_series(1, %s) AS n)",
            (contacts // (half + 1), half),
        )
        connection.execute(
            "INSERT INTO messages (account_id, inbox_id, conversation_id, message_type, content_type,"
            " private, content, sender_type, sender_id, status, created_at, updated_at)"
            " SELECT 1, 1, n * %s, 0, 0, false, 'One more', 'Contact', 1, 0, now() AT TIME ZONE 'UTC',"
            " now() AT TIME ZONE 'UTC' FROM generate_series(1, %s) AS n",
            (contacts // (half + 1), half),
        )


@contextmanager
def measured_both(at: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Measure a with block on both servers; the numbers stand in what it yields after the block."""
    done: dict[str, Any] = {}
    before = pages_read(at["chatwoot"])
    with measured(at["chatwoot_server"]) as theirs, measured(at["sync_server"]) as usage:
        yield done
    done |= asdict(usage)
    done["postgres_cpu"] += theirs.postgres_cpu
    done["chatwoot_cpu"] = theirs.postgres_cpu
    done["pages"] = pages_read(at["chatwoot"]) - before


def _sync(at: dict[str, Any], *, conversations: bool) -> Any:
    from benchmarks.common.worlds import sync_of  # noqa: PLC0415

    more = TALK if conversations else {}
    return sync_of(at["chatwoot"], at["sync"], at["url"], at["token"], **SETTINGS, **more)


def first(at: dict[str, Any]) -> None:
    from reconciliation.run.request import RunRequest  # noqa: PLC0415

    _sync(at, conversations=False).plan(RunRequest())
    print("{}", flush=True)


def catch_up(at: dict[str, Any], *, conversations: bool, look: str) -> None:
    """Move the watermarks to now, as after a run that planned everything up to now."""
    from psycopg.types.json import Jsonb  # noqa: PLC0415
    from reconciliation.extract.streams import CONTACTS, streams  # noqa: PLC0415
    from reconciliation.run.request import RunRequest  # noqa: PLC0415

    one = _sync(at, conversations=conversations)
    with (
        one.source.snapshot() as snapshot,
        psycopg.connect(at["sync"], autocommit=True) as connection,
    ):
        connection.execute("SET search_path = krayin_sync")
        for spec in (CONTACTS, *streams(one.settings)):
            connection.execute(
                "INSERT INTO watermark (sync_name, stream, scope_id, position, settings_hash, run_id)"
                " SELECT sync_name, %s, scope_id, %s, %s, run_id FROM watermark WHERE stream = 'contacts'"
                " ON CONFLICT (sync_name, stream, scope_id) DO UPDATE SET position = excluded.position",
                (
                    spec.watermark,
                    Jsonb(snapshot.watermark(spec.stream).to_json()),
                    spec.settings_hash(one.settings),
                ),
            )
    # The first run with another setting asks Krayin for what it keeps for an hour.
    one.plan(RunRequest())
    with psycopg.connect(at["sync"], autocommit=True) as connection:
        connection.execute(
            "UPDATE krayin_sync.watermark SET position = jsonb_set(position, '{exact,seconds}', %s)",
            (Jsonb(LONG[look]),),
        )
    print("{}", flush=True)


def run(at: dict[str, Any], *, conversations: bool) -> None:
    from reconciliation.run.request import RunRequest  # noqa: PLC0415
    from reconciliation.store.run_rows import RunKind  # noqa: PLC0415

    one = _sync(at, conversations=conversations)
    with measured_both(at) as done:
        run_id = one.plan(RunRequest(kind=RunKind.SCHEDULED))
    with psycopg.connect(at["sync"]) as connection:
        row = connection.execute(
            "SELECT count(*) FROM krayin_sync.operation WHERE run_id = %s", (run_id,)
        ).fetchone()
    assert row is not None
    print(json.dumps({**done, "planned": row[0]}), flush=True)


def baseline(at: dict[str, Any], *, way: str, conversations: bool) -> None:
    from benchmarks.common import baselines  # noqa: PLC0415

    tables = ("contacts", "messages") if conversations else ("contacts",)
    with measured_both(at) as done:
        match way:
            case "pandas diff":
                baselines.pandas_diff(at["chatwoot"], at["sync"])
                if conversations:
                    baselines.pandas_diff_of_messages(at["chatwoot"])
            case "plain SQL by updated_at":
                baselines.updated_since(at["chatwoot"], tables)
            case "one scan":
                baselines.scan_once(at["chatwoot"], tables)
    print(json.dumps(done), flush=True)


TASKS = {"first": first, "catch_up": catch_up, "run": run, "baseline": baseline}


if __name__ == "__main__":
    main()
