"""Which statements on the sync database take long when it has grown old.

python benchmarks/own_tables.py [--contacts 200000] [--bindings 2000000] [--calls 10000000]

A sync has brought over that many contacts and other records, and made that many calls in 80 days; each
contact was planned twenty times. Then it does its everyday work, and the server's log tells which of its
statements took longer than 50 milliseconds: a scheduled run with nothing to do, new contacts brought over by
a scheduled run and by a webhook, the status page, and the daily clean-up, on the first day and when nothing
is left to delete.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from reconciliation.admin.retention import Retention, retain
from reconciliation.run.request import RunRequest
from reconciliation.store.run_rows import RunKind
from reconciliation.web.facts import read_facts

from benchmarks.common.results import keep, show
from benchmarks.common.usage import in_a_process, postmaster
from benchmarks.common.worlds import sync_of
from benchmarks.incremental import SETTINGS, make, settle
from sandbox.chatwoot import changes
from sandbox.krayin.testing import running_krayin
from stack.postgres import Cluster
from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable

INCREMENTAL = Path(__file__).with_name("incremental.py")
SLOW_MS = 50
NEW = 20
DURATION = re.compile(r"duration: ([\d.]+) ms .*?: (.*)")

_GROW_OLD = (
    """
    INSERT INTO operation
        (run_id, sync_name, lane, target_id, scope_id, source_kind, source_id, payload, source_read_at,
         forecast_calls, state, created_at, finished_at)
    SELECT run_id, sync_name, lane, target_id, scope_id, source_kind, source_id, '{}', source_read_at, 1,
           'done', now() - days * interval '8 days', now() - days * interval '8 days'
    FROM operation, generate_series(20, 1, -1) AS days
    """,
    """
    INSERT INTO mapping
        (target_id, scope_id, source_kind, source_id, crm_kind, crm_id, origin, state, source_hash,
         acked_hash, last_sent)
    SELECT target.id, scope.id, 'message', n, 'activity', n, 'created', 'linked', int8send(n), int8send(n),
           '{}'
    FROM krayin_target AS target, scope, generate_series(1, %(bindings)s::bigint) AS n
    """,
    """
    INSERT INTO api_call
        (at, target_id, run_id, operation_id, lane, method, route, status, milliseconds, outcome)
    SELECT now() - (%(calls)s - n)::float8 / %(calls)s * interval '80 days',
           (SELECT min(id) FROM krayin_target), (SELECT min(id) FROM sync_run),
           n, 3, 'PUT', '/leads/{id}', 200, 90, 'ok'
    FROM generate_series(1, %(calls)s::bigint) AS n
    """,
    # Krayin's persons are there, its leads are not: their ids are none that it has given.
    """
    UPDATE mapping SET crm_id = numbered.crm_id * CASE crm_kind WHEN 'lead' THEN -1 ELSE 1 END
    FROM (SELECT id, row_number() OVER (PARTITION BY crm_kind ORDER BY id) AS crm_id FROM mapping
          WHERE crm_kind IN ('person', 'lead')) AS numbered
    WHERE mapping.id = numbered.id
    """,
    "VACUUM ANALYZE",
)


def grow_old(sync: str, **numbers: int) -> None:
    """Add what months of work leave behind."""
    with psycopg.connect(sync, autocommit=True) as connection:
        connection.execute("SET search_path = krayin_sync")
        connection.execute("SET session_replication_role = replica")
        connection.execute("DROP INDEX mapping_one_source_per_record")
        for statement in _GROW_OLD:
            connection.execute(statement, numbers)
        connection.execute(
            "CREATE UNIQUE INDEX mapping_one_source_per_record ON mapping (target_id, crm_kind, crm_id)"
            " WHERE crm_id IS NOT NULL AND crm_kind <> 'organization' AND state = 'linked'"
        )


def measure(servers: dict[str, Cluster], contacts: int, **numbers: int) -> list[dict[str, Any]]:
    at: dict[str, Any] = {name: cluster.dsn(name) for name, cluster in servers.items()}
    at |= {f"{name}_server": postmaster(cluster) for name, cluster in servers.items()}
    make(at["chatwoot"], at["sync"], contacts, 1000)
    log = servers["sync"].directory / "server.log"
    rows: list[dict[str, Any]] = []
    with running_krayin() as krayin:
        at |= {"url": krayin.url, "token": krayin.token}
        in_a_process(INCREMENTAL, "first", at=at)
        settle(at["sync"])
        grow_old(at["sync"], **numbers)
        for first in range(0, contacts, 10_000):
            krayin.seed(
                persons=[
                    {
                        "name": f"Person {n}",
                        "emails": [{"value": f"person{n}@example.org", "label": "work"}],
                        # All at one moment they would be read twice.
                        "created_at": f"2026-01-{1 + n // 10_000:02d} 12:00:00",
                    }
                    for n in range(first, first + 10_000)
                ]
            )
        one = sync_of(at["chatwoot"], at["sync"], at["url"], at["token"], **SETTINGS)
        with psycopg.connect(at["sync"], autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET log_min_duration_statement = {SLOW_MS}")
            connection.execute("SELECT pg_reload_conf()")

        def bring_over(**more: Any) -> None:
            run_id = one.plan(RunRequest(**more))
            one.load(run_id)

        def new_contacts(first: int) -> list[int]:
            with psycopg.connect(at["chatwoot"], autocommit=True) as chatwoot:
                return [
                    changes.add_contact(chatwoot, 1, name=f"New {n}", email=f"new{n}@example.net")
                    for n in range(first, first + NEW)
                ]

        def status() -> None:
            with psycopg.connect(at["sync"]) as connection:
                read_facts(connection, [one.settings.name])

        def clean_up() -> None:
            with psycopg.connect(at["sync"], autocommit=True) as connection:
                retain(connection, Retention())

        scheduled = partial(bring_over, kind=RunKind.SCHEDULED)
        work: list[tuple[str, Callable[[], Any]]] = [
            ("a scheduled run, nothing to do", scheduled),
            (f"{NEW} new contacts", lambda: (new_contacts(1), scheduled())),
            (
                f"{NEW} new contacts by webhook",
                lambda: bring_over(kind=RunKind.EVENTS, contact_ids=frozenset(new_contacts(NEW + 1))),
            ),
            ("the status page", status),
            ("the clean-up, first day", clean_up),
            ("the clean-up, nothing to delete", clean_up),
        ]
        for what, does in work:
            offset, began = log.stat().st_size, time.monotonic()
            does()
            seconds = time.monotonic() - began
            slow = DURATION.findall(log.read_bytes()[offset:].decode())
            rows.append(
                {
                    "what": what,
                    "seconds": round(seconds, 2),
                    f"over {SLOW_MS} ms": len(slow),
                    "the slowest": ", ".join(
                        f"{float(took):.0f} ms {text[:60]}" for took, text in sorted(slow, key=_ms)[-3:]
                    ),
                }
            )
    return rows


def _ms(found: tuple[str, str]) -> float:
    return float(found[0])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--contacts", type=int, default=200_000)
    parser.add_argument("--bindings", type=int, default=2_000_000)
    parser.add_argument("--calls", type=int, default=10_000_000)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = {"max_wal_size": "8GB", "shared_buffers": "512MB"}
        servers = {}
        for name, port in zip(("chatwoot", "sync"), free_ports(2), strict=True):
            servers[name] = Cluster(folder / name, port, "benchmark", settings)
            servers[name].start()
            stack.callback(servers[name].stop, "immediate")
            servers[name].create_database(name)
        rows = measure(servers, **vars(options))
    show(rows, f"{options.contacts:,} contacts, {options.bindings:,} other bindings, {options.calls:,} calls")
    keep("own_tables", rows)


if __name__ == "__main__":
    main()
