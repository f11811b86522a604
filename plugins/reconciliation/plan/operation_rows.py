"""The rows that planning writes into the ledger."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb
from statements import statement

from reconciliation.plan.estimate import Expected

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    import psycopg
    from krayin.rate_limiter import Lane

    from reconciliation.binding_scope import BindingScope
    from reconciliation.plan.guard import ChangeGuard

# PostgreSQL reads this as the start of the transaction.
NOW = "now"
NEVER = "infinity"
# Workers give operations back one at a time, and rarely in the moment of planning the same records.
TRIES = 5


@dataclass(frozen=True, slots=True)
class OperationRow:
    """The columns of an operation that differ from one to the next; `changed_at` is Chatwoot's own time.

    `changes` are the fields changed of records that exist in Krayin, as `kind.field`; `removes` what is
    deleted, closed or overwritten of them (`lead.closed`, `person.name.overwritten`).
    """

    source_kind: str
    source_id: str
    payload: dict[str, Any]
    natural_keys: Sequence[str]
    expected: Expected = field(default_factory=Expected)
    releases: Sequence[str] = ()
    state: str = "planned"
    reason: str | None = None
    message: str | None = None
    candidates: Sequence[Mapping[str, Any]] = ()
    due_at: str = NOW
    finished_at: str | None = None
    changed_at: datetime | None = None
    changes: Sequence[str] = ()
    removes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class PlanScope:
    """Where one planning writes, and what all its operations have in common.

    `read_at` is the clock of Chatwoot's database when the records were read: what a later reading planned is
    left alone. `guard` holds what is too much.
    """

    connection: psycopg.Connection
    identity: BindingScope
    run_id: int
    sync_name: str
    lane: Lane
    read_at: datetime
    guard: ChangeGuard

    def write(self, rows: Iterable[OperationRow]) -> None:
        """Write operations in the transaction under way; what they replace has been superseded before."""
        planned = list(rows)
        for tries_left in reversed(range(TRIES)):
            try:
                with (
                    self.connection.transaction(),
                    self.connection.cursor() as cursor,
                    cursor.copy(statement("plan/insert")) as copy,
                ):
                    for row in planned:
                        copy.write_row(self._columns(row))
            except UniqueViolation:
                if not tries_left:
                    raise
                # A worker gave an operation back after the planner had looked: it is replaced as well.
                self._supersede(planned)
            else:
                return

    def _supersede(self, rows: Sequence[OperationRow]) -> None:
        for source_kind in sorted({row.source_kind for row in rows}):
            ids = sorted(row.source_id for row in rows if row.source_kind == source_kind)
            self.connection.execute(
                statement("plan/supersede"),
                {**self.identity.parameters(), "source_kind": source_kind, "source_ids": ids},
            )

    def _columns(self, row: OperationRow) -> tuple[Any, ...]:
        return (
            self.run_id,
            self.sync_name,
            int(self.lane),
            *self.identity.parameters().values(),
            row.source_kind,
            row.source_id,
            Jsonb(row.payload),
            self.read_at,
            list(row.natural_keys),
            row.expected.writes,
            sorted(row.expected.reads),
            list(row.releases),
            row.state,
            row.reason,
            row.message,
            Jsonb(list(row.candidates)) if row.candidates else None,
            row.due_at,
            row.finished_at,
            row.changed_at,
            list(row.changes),
            list(row.removes),
        )
