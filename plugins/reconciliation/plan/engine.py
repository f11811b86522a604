"""The planning of records of any kind: locked, compared with what was planned, decided, written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg.errors import UniqueViolation
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from statements import statement

from reconciliation.plan.estimate import Expected
from reconciliation.store.mapping_store import mapping_row

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    import psycopg
    from krayin.permits import Lane

    from reconciliation.plan.guard import ChangeGuard
    from reconciliation.store.binding_scope import BindingScope
    from reconciliation.store.mapping_row import MappingRow

# PostgreSQL reads this as the start of the transaction.
NOW = "now"
NEVER = "infinity"
# Workers give operations back one at a time, and rarely in the moment of planning the same records.
TRIES = 5
# Staged rows that are planned in one transaction.
CHUNK = 1000


@dataclass(frozen=True, slots=True)
class OperationRow:
    """The columns of an operation that differ from one to the next; `changed_at` is Chatwoot's own time.

    `changes` are the fields changed of records that exist in Krayin, as `kind.field`; `removes` what is
    deleted, closed or overwritten of them (`lead.closed`, `person.name.overwritten`). `contact_id` is the
    contact it hangs on, `waits_for` the record of that contact it must wait for.
    """

    source_kind: str
    source_id: str
    payload: dict[str, Any]
    natural_keys: Sequence[str] = ()
    expected: Expected = field(default_factory=Expected)
    releases: Sequence[str] = ()
    state: str = "planned"
    reason: str | None = None
    message: str | None = None
    candidates: Sequence[Mapping[str, Any]] = ()
    due_at: str = NOW
    finished_at: str | None = None
    changed_at: datetime | None = None
    contact_id: int | None = None
    waits_for: str | None = None
    changes: Sequence[str] = ()
    removes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Locked:
    """A source record's mapping rows by CRM kind, locked.

    `is_planned` tells that what is wanted now was planned already, or something that was read later.
    """

    rows: Mapping[str, MappingRow]
    is_planned: bool


@dataclass(frozen=True, slots=True)
class Decided:
    """What is decided about a source record: an operation, None for none.

    `marks` are its mapping rows, each with the hash planned and the state it has from now on.
    """

    source_id: str
    operation: OperationRow | None
    marks: Sequence[tuple[MappingRow, bytes, str]]


@dataclass(frozen=True, slots=True)
class PlanEngine:
    """Plans for one run; every method works in the transaction under way.

    `read_at` is the clock of Chatwoot's database when the records were read: what a later reading planned is
    left alone. `guard` holds what is too much: let it be the last thing in a transaction.
    """

    connection: psycopg.Connection
    identity: BindingScope
    run_id: int
    sync_name: str
    lane: Lane
    read_at: datetime
    guard: ChangeGuard

    def execute(self, name: str, **parameters: Any) -> psycopg.Cursor[Any]:
        """Carry out a statement about the records of this sync, planned by this run."""
        return self.connection.execute(
            statement(name), {**self.identity.parameters(), "run_id": self.run_id, **parameters}
        )

    def staged(self, kinds: Collection[str]) -> Iterator[list[tuple[int, str, str, bytes, dict[str, Any]]]]:
        """Yield what is staged beside contacts, contact by contact: contact, kind, id, hash and content."""
        after: tuple[int, str, str] = (-1, "", "")
        while rows := self.execute(
            "staged_activity/chunk",
            kinds=list(kinds),
            after_contact=after[0],
            after_kind=after[1],
            after_length=len(after[2]),
            after_id=after[2],
            size=CHUNK,
        ).fetchall():
            yield rows
            after = rows[-1][:3]

    def lock(self, source_kind: str, wanted: Mapping[str, Mapping[str, bytes]]) -> dict[str, Locked]:
        """Lock source records, so that two planners take turns; a mapping row is made where there is none.

        `wanted` are the hashes of what is to be planned, by source id and CRM kind.
        """
        kinds = sorted({kind for hashes in wanted.values() for kind in hashes})
        records = {"source_kind": source_kind, "source_ids": sorted(wanted), "crm_kinds": kinds}
        # They were read just now: what was taken for gone is back.
        self.execute("mapping/returned", **records)
        self.execute("mapping/register", **records)
        rows: dict[str, dict[str, MappingRow]] = {}
        later: set[str] = set()
        parameters = {**self.identity.parameters(), **records}
        with self.connection.cursor(row_factory=dict_row) as cursor:
            for row in cursor.execute(statement("mapping/lock"), parameters):
                rows.setdefault(row["source_id"], {})[row["crm_kind"]] = mapping_row(row)
                if row["source_read_at"] is not None and row["source_read_at"] > self.read_at:
                    later.add(row["source_id"])
        return {
            source_id: Locked(
                own,
                source_id in later
                or all(own[kind].source_hash == known for kind, known in wanted[source_id].items()),
            )
            for source_id, own in rows.items()
        }

    def plan(self, source_kind: str, decided: Sequence[Decided]) -> None:
        """Write what is decided about locked records, in place of what was planned for them before."""
        if not decided:
            return
        withdraw(self.connection, self.identity, source_kind, [one.source_id for one in decided])
        self.write(one.operation for one in decided if one.operation is not None)
        marks = [mark for one in decided for mark in one.marks]
        self.execute(
            "mapping/planned",
            ids=[row.id for row, _, _ in marks],
            source_hashes=[source_hash for _, source_hash, _ in marks],
            states=[str(state) for _, _, state in marks],
            source_read_at=self.read_at,
        )

    def write(self, rows: Iterable[OperationRow]) -> None:
        """Write operations; what they replace has been withdrawn before."""
        planned = list(rows)
        for tries_left in reversed(range(TRIES)):
            try:
                with (
                    self.connection.transaction(),
                    self.connection.cursor() as cursor,
                    cursor.copy(statement("operation/insert")) as copy,
                ):
                    for row in planned:
                        copy.write_row(self._columns(row))
            except UniqueViolation:
                if not tries_left:
                    raise
                # A worker gave an operation back after the planner had looked: it is replaced as well.
                for kind in sorted({row.source_kind for row in planned}):
                    ids = sorted(row.source_id for row in planned if row.source_kind == kind)
                    self.execute("operation/supersede", source_kind=kind, source_ids=ids)
            else:
                return

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
            row.contact_id,
            row.waits_for,
            list(row.changes),
            list(row.removes),
        )


def withdraw(
    connection: psycopg.Connection, identity: BindingScope, source_kind: str, source_ids: Sequence[str]
) -> None:
    """Take back what was planned for some records and nobody works on, and what was set aside of them."""
    records = {**identity.parameters(), "source_kind": source_kind, "source_ids": list(source_ids)}
    connection.execute(statement("operation/supersede"), records)
    connection.execute(statement("operation/quarantine_replaced"), records)
