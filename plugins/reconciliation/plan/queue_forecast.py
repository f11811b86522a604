"""Forecasts the calls of carrying out everything that waits for a sync."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statements import statement

from reconciliation.plan.forecast import Expected, Queue, load_seconds
from reconciliation.sync_database.ledger import LOWEST_LANE

if TYPE_CHECKING:
    from collections.abc import Collection

    import psycopg
    from krayin.rate_limiter import Lane

    from reconciliation.binding_scope import BindingScope

# Rows fetched at once from the cursor of the server.
ROWS = 1000


def queue_seconds(
    connection: psycopg.Connection,
    identity: BindingScope,
    sync_name: str,
    calls: int,
    requests_per_minute: int,
) -> int:
    """Return how long so many calls take, given how many deletions of persons a sync has planned."""
    row = connection.execute(
        statement("plan/queued_deletions"), {"target_id": identity.target_id, "sync_name": sync_name}
    ).fetchone()
    return load_seconds(calls, requests_per_minute, row[0] if row else 0)


def queue_calls(  # noqa: PLR0913 - what a plan knows of itself
    connection: psycopg.Connection,
    identity: BindingScope,
    sync_name: str,
    requests_per_minute: int,
    with_custom: Collection[str],
    *,
    lowest: Lane = LOWEST_LANE,
) -> int:
    """Return the calls of carrying out what a sync has planned, alone and with nothing going wrong.

    However long the queue is, only the companies in it whose organization is looked up or waited for
    are held in memory. What lies in a lane below `lowest` is left to other runs.
    """
    queue = {"target_id": identity.target_id, "sync_name": sync_name, "lowest_lane": int(lowest)}
    with connection.transaction(), connection.cursor("planned_queue") as cursor:
        waiting = {
            name: Expected(writes, frozenset(reads), company)
            for name, writes, reads, company in connection.execute(statement("plan/queue_waiting"), queue)
        }
        asked = {
            row[0]: row[1]
            for row in connection.execute(
                statement("plan/companies_asked"), {**queue, **identity.parameters()}
            )
        }
        cursor.itersize = ROWS
        cursor.execute(statement("plan/queue"), {**queue, "companies": sorted({*waiting, *asked})})
        ready = (
            (Expected(writes, frozenset(reads), company), number) for writes, reads, company, number in cursor
        )
        known = {name for name, is_known in asked.items() if is_known}
        return Queue(ready, waiting, known).calls(requests_per_minute, with_custom)
