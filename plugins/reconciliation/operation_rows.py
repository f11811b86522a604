"""The rows that planning writes into the ledger."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb
from statements import statement

from reconciliation.forecast import Expected

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    import psycopg
    from krayin.pacing import Lane

    from reconciliation.identity import Identity

# PostgreSQL reads this as the start of the transaction.
NOW = "now"
NEVER = "infinity"


@dataclass(frozen=True, slots=True)
class OperationRow:
    """The columns of an operation that differ from one to the next."""

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


@dataclass(frozen=True, slots=True)
class PlanScope:
    """What all operations of one planning have in common.

    `read_at` is the clock of Chatwoot's database when the records were read.
    """

    identity: Identity
    run_id: int
    sync_name: str
    lane: Lane
    read_at: datetime

    def write(self, connection: psycopg.Connection, rows: Iterable[OperationRow]) -> None:
        """Write operations; what they replace must have been superseded before."""
        with connection.cursor() as cursor, cursor.copy(statement("plan/insert")) as copy:
            for row in rows:
                copy.write_row(self._columns(row))

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
            row.expected.company,
            list(row.releases),
            row.state,
            row.reason,
            row.message,
            Jsonb(list(row.candidates)) if row.candidates else None,
            row.due_at,
            row.finished_at,
        )
