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

STATEMENTS = (
    "api_call/pulse", "approval/open_by_reason", "finding/open_by_comparison", "incident/open_shown",
    "operation/backlog", "operation/errors", "rate_budget/use_now", "removal/counts", "sync_run/backfills",
    "sync_run/last_done", "sync_run/last_runs", "watermark/exact_looks", "watermark/shown", "webhook/counts",
)  # fmt: skip
WAITING = ("approval/open_by_reason", "incident/open_shown", "watermark/shown")
"""Those that tell what waits for an answer beside single records."""
ONE_SYNC = ("operation/backlog", "rate_budget/use_now", "watermark/shown")
"""Those that the page of one sync shows."""


@dataclass(frozen=True, slots=True)
class SyncFacts:
    """How one sync is; times are aware, rows are those of the statements in `status/`.

    Attributes:
        last_runs: the last run of each kind, by kind.
        done_at: when it last brought over what had changed.
        read_at: up to when Chatwoot's contacts were read.
        exact_looks: when each stream was last looked at exactly.
        krayin: the address of its Krayin's API.
        inbox: webhooks that wait, None without any.
        comparison: the last finished comparison.
        backfill: the backfills of the last two weeks taken together.
        pulse: calls to its Krayin in each of the last 24 hours.
        removals: how much we closed or deleted though its contact is in Chatwoot, None without any.
        incidents: what is open of the sync and of its Krayin, the oldest first.
    """

    last_runs: Mapping[str, Row] = field(default_factory=dict)
    done_at: datetime | None = None
    read_at: datetime | None = None
    exact_looks: Sequence[Row] = ()
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
    pulse: Sequence[int] = ()

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
    def allowed(self) -> int | None:
        """Calls a minute that its Krayin takes now, None while that is not known."""
        return sum(row["allowed_per_minute"] for row in self.budgets) or None

    @property
    def waiting_seconds(self) -> float | None:
        """How long the budget takes for what waits, None while it is not known."""
        calls = sum(row["forecast_calls"] for row in self.backlog)
        return calls * 60 / self.allowed if self.allowed else None


def read_facts(
    connection: psycopg.Connection, sync_names: Sequence[str], only: Sequence[str] = STATEMENTS
) -> dict[str, SyncFacts]:
    """Return the facts of these syncs; a sync nothing is known of has empty ones.

    They are of one moment where `connection` is in a transaction with one snapshot. Of the `STATEMENTS` those
    in `only` are carried out; what the others would tell is empty.

    Raises:
        psycopg.Error: the database fails, or its schema is older than this program.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        read = {
            name: cursor.execute(statement(name)).fetchall() if name in only else [] for name in STATEMENTS
        }
    facts = {}
    for name in sync_names:
        own = {one: [row for row in rows if row.get("sync_name") == name] for one, rows in read.items()}
        first = {one: next(iter(rows), None) for one, rows in own.items()}
        mark, done = first["watermark/shown"], first["sync_run/last_done"]
        krayin = mark["krayin"] if mark else None
        facts[name] = SyncFacts(
            last_runs={row["kind"]: row for row in own["sync_run/last_runs"]},
            done_at=done["finished_at"] if done else None,
            read_at=mark["read_at"] if mark else None,
            exact_looks=own["watermark/exact_looks"],
            krayin=krayin,
            backlog=own["operation/backlog"],
            errors=own["operation/errors"],
            inbox=first["webhook/counts"],
            comparison=first["finding/open_by_comparison"],
            approvals=own["approval/open_by_reason"],
            backfill=first["sync_run/backfills"],
            budgets=[row for row in read["rate_budget/use_now"] if row["krayin"] == krayin],
            removals=first["removal/counts"],
            pulse=next((row["calls"] for row in read["api_call/pulse"] if row["krayin"] == krayin), ()),
            incidents=[
                row
                for row in read["incident/open_shown"]
                if row["sync_name"] == name or (row["sync_name"] is None and row["krayin"] == krayin)
            ],
        )
    return facts
