"""Plans contacts of whom nothing is known, many in one statement: each is one call that creates it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.errors import UniqueViolation
from psycopg.rows import namedtuple_row
from statements import statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciliation.plan.engine import PlanEngine

# Enough that a statement's own cost does not count, few enough to stay in memory.
CHUNK = 2000


@dataclass(frozen=True, slots=True)
class BulkChunk:
    """The next staged contacts up to the id `last`.

    `planned` of them were new and are planned, `examples` are the first of their ids;
    `companies` are the folded names they name. `rest` are the ids of those still to be planned.
    """

    last: int
    planned: int
    examples: Sequence[int]
    companies: Sequence[str]
    rest: Sequence[int]


class _CreateConflictError(Exception):
    """Of a contact that was taken for new a mapping row was there, or one was erased meanwhile."""


@dataclass(frozen=True, slots=True)
class BulkCreatePlanner:
    """Plans new contacts in bulk as `decide` would without a mapping row and without candidates.

    The companies they name are not planned here.
    """

    engine: PlanEngine

    def plan_after(self, contact_id: int, *, examples: int) -> BulkChunk | None:
        """Plan the new ones among the staged contacts after `contact_id`; None when there are no more."""
        try:
            with self.engine.connection.transaction():
                return self._plan(contact_id, examples)
        except (UniqueViolation, _CreateConflictError):
            # Also what somebody left or brought back by hand: looked at one by one.
            return self.pass_over(contact_id)

    def pass_over(self, contact_id: int) -> BulkChunk | None:
        """Return the staged contacts after `contact_id` with nothing planned; None when there are no more."""
        rows = self.engine.execute("staged_contact/ids", after=contact_id, size=CHUNK).fetchall()
        ids = [row[0] for row in rows]
        return BulkChunk(ids[-1], 0, (), (), ids) if ids else None

    def _plan(self, contact_id: int, examples: int) -> BulkChunk | None:
        engine = self.engine
        with engine.connection.cursor(row_factory=namedtuple_row) as cursor:
            # Planned anew each time: a plan made while the tables were empty would scan them whole.
            row: Any = cursor.execute(
                statement("operation/bulk_creates"),
                {
                    "run_id": engine.run_id,
                    "after": contact_id,
                    "size": CHUNK,
                    "sync_name": engine.sync_name,
                    "lane": int(engine.lane),
                    "read_at": engine.read_at,
                    "examples": examples,
                    **engine.identity.parameters(),
                },
                prepare=False,
            ).fetchone()
        if row.last is None:
            return None
        if row.registered != 2 * row.bulk_creates or (row.bulk_creates and self._anybody_erased()):
            raise _CreateConflictError
        return BulkChunk(row.last, row.bulk_creates, row.examples, row.companies, row.rest)

    def _anybody_erased(self) -> bool:
        # Asked with the mapping rows made: an erasure that was in their way is over.
        row = self.engine.execute("erasure/erased_lately").fetchone()
        return bool(row and row[0])
