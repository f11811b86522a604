"""What the sync database knows of how each sync is, read at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row
from statements import statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import psycopg

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SyncFacts:
    """How one sync is; times are aware, rows are those of the statements in `status/`.

    Attributes:
        last_runs: the last run of each kind, by kind.
        done_at: when it last brought over what had changed.
        read_at: up to when Chatwoot's contacts were read.
        krayin: the address of its Krayin's API.
        inbox: webhooks that wait, None without any.
        comparison: the last finished comparison.
        backfill: the backfills of the last two weeks taken together.
        removals: how much we closed or deleted though its contact is in Chatwoot, None without any.
        incidents: what is open of the sync and of its Krayin, the oldest first.
    """

    last_runs: Mapping[str, Row] = field(default_factory=dict)
    done_at: datetime | None = None
    read_at: datetime | None = None
    krayin: str | None = None
    backlog: Sequence[Row] = ()
    errors: Sequence[Row] = ()
    inbox: Row | None = None
    comparison: Row | None = None
    approvals: Sequence[Row] = ()
    backfill: Row | None = None
    budgets: Sequence[Row] = ()
    incidents: Sequence[Row] = ()
    removals: Row | None = None

    @property
    def quarantined(self) -> int:
        """Operations that wait for a person."""
        return sum(row["operations"] for row in self.errors if row["quarantined"])

    @property
    def waiting(self) -> int:
        """Operations that wait for their turn."""
        return sum(row["operations"] for row in self.backlog)

    @property
    def awaiting_approval(self) -> int:
        """Operations that wait for approval."""
        return sum(row["operations"] for row in self.approvals)

    @property
    def waiting_seconds(self) -> float | None:
        """How long the budget takes for what waits, None while it is not known."""
        allowed = sum(row["allowed_per_minute"] for row in self.budgets)
        calls = sum(row["forecast_calls"] for row in self.backlog)
        return calls * 60 / allowed if allowed else None


def read_facts(connection: psycopg.Connection, sync_names: Sequence[str]) -> dict[str, SyncFacts]:
    """Return the facts of these syncs; a sync nothing is known of has empty ones.

    They are of one moment where `connection` is in a transaction with one snapshot.

    Raises:
        psycopg.Error: the database fails, or its schema is older than this program.
    """

    def rows(name: str) -> list[Row]:
        with connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement(name)).fetchall()

    def of_sync(found: list[Row], name: str) -> list[Row]:
        return [row for row in found if row["sync_name"] == name]

    def one(found: list[Row], name: str) -> Row | None:
        return next(iter(of_sync(found, name)), None)

    last_runs, last_done, watermarks = (
        rows("sync_run/last_runs"),
        rows("sync_run/last_done"),
        rows("watermark/shown"),
    )
    backlog, errors, inbox = rows("operation/backlog"), rows("operation/errors"), rows("webhook/counts")
    comparisons, approvals, backfills = (
        rows("finding/open_by_comparison"),
        rows("approval/open_by_reason"),
        rows("sync_run/backfills"),
    )
    budgets, incidents, removals = (
        rows("rate_budget/use_now"),
        rows("incident/open_shown"),
        rows("removal/counts"),
    )
    facts = {}
    for name in sync_names:
        mark, done = one(watermarks, name), one(last_done, name)
        krayin = mark["krayin"] if mark else None
        facts[name] = SyncFacts(
            last_runs={row["kind"]: row for row in of_sync(last_runs, name)},
            done_at=done["finished_at"] if done else None,
            read_at=mark["read_at"] if mark else None,
            krayin=krayin,
            backlog=of_sync(backlog, name),
            errors=of_sync(errors, name),
            inbox=one(inbox, name),
            comparison=one(comparisons, name),
            approvals=of_sync(approvals, name),
            backfill=one(backfills, name),
            budgets=[row for row in budgets if row["krayin"] == krayin],
            removals=one(removals, name),
            incidents=[
                row
                for row in incidents
                if row["sync_name"] == name or (row["sync_name"] is None and row["krayin"] == krayin)
            ],
        )
    return facts
