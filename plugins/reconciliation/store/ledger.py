"""The operations of the sync database: claimed, intended, settled, each under a lease with a fence."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - pydantic resolves the annotations at run time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from krayin.permits import Lane
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from pydantic import Field, TypeAdapter
from statements import statement

from reconciliation.errors import LeaseLostError, OperationHeldError
from reconciliation.model.desired_contact import contact_of
from reconciliation.model.timing import DEFAULT, Timing
from reconciliation.store.binding_scope import BindingScope
from reconciliation.store.incidents import require_writable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager

    import psycopg

LOWEST_LANE = max(Lane)
# The key of the payload by which a removal is told; it stands in operations of earlier versions.
REMOVAL = "retire"
# The same of a stage move that only reopens a lead which we closed.
REOPEN = "reopen"


class OperationState(StrEnum):
    """Where an operation stands."""

    PLANNED = "planned"
    IN_FLIGHT = "in_flight"
    DONE = "done"
    UNKNOWN = "unknown"
    OBSOLETE = "rejected"
    QUARANTINED = "quarantined"
    SUPERSEDED = "superseded"
    HELD = "held"
    DECLINED = "declined"

    @property
    def is_terminal(self) -> bool:
        """Tell whether nothing more happens to it by itself."""
        return self in {
            OperationState.DONE, OperationState.OBSOLETE, OperationState.QUARANTINED,
            OperationState.SUPERSEDED, OperationState.DECLINED,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Operation:
    """One claimed operation.

    `fence` is the number of this claim, `state` planned or unknown, `step` the call that was last
    intended, `sent_at` when that was (aware). `payload` holds the fields wanted. `writes` and
    `reads` are what it is expected to cost (see `forecast`). Chatwoot was read at `source_read_at`, and says
    that it changed the record last at `source_changed_at` (both aware).
    """

    id: int
    fence: int
    lane: int
    identity: BindingScope
    source_kind: str
    source_id: str
    payload: Mapping[str, Any] = field(repr=False)
    natural_keys: tuple[str, ...] = field(repr=False)
    state: OperationState
    step: str | None
    attempts: int
    sent_at: datetime | None
    error_class: str | None
    error_message: str | None
    writes: Annotated[int, Field(validation_alias="forecast_calls")] = 1
    reads: Annotated[frozenset[str], Field(validation_alias="forecast_reads")] = frozenset()
    source_read_at: datetime | None = None
    source_changed_at: datetime | None = None

    @property
    def work(self) -> str:
        """Whose work it is: a removal's, else that of the sink for its kind of source record."""
        return "removal" if REMOVAL in self.payload else self.source_kind

    @property
    def keys(self) -> frozenset[str]:
        """What no other operation may share while the outcome of this one is not known.

        A contact, its leads and their stages are one record: a lead is looked for among those of its person.
        """
        if self.source_kind in {"contact", "stage", "lead"}:
            return frozenset({*self.natural_keys, f"contact {contact_of(self.source_id)}"})
        return frozenset({*self.natural_keys, f"{self.source_kind} {self.source_id}"})

    def record(self, crm_kind: str, crm_id: int) -> dict[str, Any]:
        """Return the source record and a record in Krayin as statement parameters."""
        source = {"source_kind": self.source_kind, "source_id": self.source_id}
        return {**self.identity.parameters(), **source, "crm_kind": crm_kind, "crm_id": crm_id}

    def __str__(self) -> str:
        """Name the operation for a log: ids only."""
        return f"operation {self.id} ({self.source_kind} {self.source_id})"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an operation ended or goes on.

    `result` says what became of each CRM kind. `delay` is how long to wait before it may be
    claimed again.
    """

    state: OperationState
    step: str | None = None
    error_class: str | None = None
    error_message: str | None = None
    candidates: Sequence[Mapping[str, Any]] = ()
    delay: timedelta = timedelta(0)
    result: Mapping[str, str] = field(default_factory=dict)
    counts_as_attempt: bool = False


def lowest_lane(lane: Lane) -> Lane:
    """Return the lowest lane whose work a run of `lane` takes up.

    A webhook's run must not take up a backfill's work: the next webhook would wait for its end.
    """
    return lane if lane is Lane.LIVE else LOWEST_LANE


# Neither a repetition nor a person's look is worth while once a newer plan waits for the same record.
_GIVES_WAY = frozenset({OperationState.PLANNED, OperationState.QUARANTINED})


@dataclass(frozen=True, slots=True)
class Ledger:
    """The operations of one Krayin target as one worker sees them. The connection is in autocommit mode.

    Attributes:
        worker: a name no other worker has.
        lowest: what lies in a lane below is left alone.
        must_wait: tells whether an operation needs approval to overwrite some fields.
    """

    connection: psycopg.Connection
    target_id: int
    worker: str
    timing: Timing = DEFAULT
    lowest: Lane = field(default=LOWEST_LANE, kw_only=True)
    must_wait: Callable[[Operation, Sequence[str]], bool] = field(default=lambda _, __: False, kw_only=True)

    def recover(self) -> int:
        """Take back what dead workers left and return how many operations that were."""
        return self.connection.execute(
            statement("operation/recover"), {"target_id": self.target_id, "settle": self.timing.settle}
        ).rowcount

    def claim(self, sync_name: str, size: int) -> list[Operation]:
        """Take at most `size` operations that are due, in the order they should be carried out.

        Raises:
            IncidentOpenError: something stops all writing to this Krayin.
        """
        require_writable(self.connection, self.target_id)
        with self.connection.transaction():
            self.connection.execute(statement("operation/lock_claims"), {"target_id": self.target_id})
            with self.connection.cursor(row_factory=dict_row) as cursor:
                rows = cursor.execute(
                    statement("operation/claim"),
                    {
                        "target_id": self.target_id,
                        "sync_name": sync_name,
                        "worker": self.worker,
                        "lease": self.timing.lease,
                        "size": size,
                        "lowest_lane": int(self.lowest),
                    },
                ).fetchall()
        rows.sort(key=lambda row: (row["lane"], row["next_attempt_at"], row["id"]))
        return [self._operation(row) for row in rows]

    def intend(self, operation: Operation, step: str) -> None:
        """Commit that the call named `step` is about to be made.

        Raises:
            LeaseLostError: the operation is not this worker's any more; do not make the call.
            IncidentOpenError: something stops all writing to this Krayin; do not make it either.
        """
        if self._note("operation/intent", operation, step=step, lease=self.timing.lease) is None:
            require_writable(self.connection, self.target_id)
            raise LeaseLostError(operation.id)

    def allow(self, operation: Operation, removes: Sequence[str]) -> None:
        """Return when a claimed operation may overwrite what it is about to, fields of `operation.removes`.

        Raises:
            OperationHeldError: a person has to be asked first; settle it as held.
        """
        if removes and self.must_wait(operation, removes):
            raise OperationHeldError(operation.id)

    def renew(self, operations: Sequence[Operation]) -> frozenset[int]:
        """Extend the leases of claimed operations and return the ids of those that are still this worker's.

        A lease that ran out during a long wait is taken up again unless somebody took the operation.
        """
        rows = self.connection.execute(
            statement("operation/renew"),
            {**_claims(operations), "lease": self.timing.lease},
        )
        return frozenset(int(row[0]) for row in rows)

    def transaction(self) -> AbstractContextManager[psycopg.Transaction]:
        """Open a transaction in which an answer is recorded together with what it means."""
        return self.connection.transaction()

    def progress(self, operation: Operation, step: str) -> None:
        """Note that a step of an operation is done, in the transaction that records its answer.

        Raises:
            LeaseLostError: the operation is not this worker's any more; the answer must not be recorded.
        """
        if self._note("operation/progress", operation, step=step, lease=self.timing.lease) is None:
            raise LeaseLostError(operation.id)

    def settle(self, operation: Operation, outcome: Outcome) -> None:
        """Record `outcome`; the operation is free for others.

        Raises:
            LeaseLostError: the operation is not this worker's any more; nothing was recorded.
        """
        if outcome.state in _GIVES_WAY and self._note("operation/yield_to_newer", operation) is not None:
            return
        settled = self._note(
            "operation/settle",
            operation,
            state=str(outcome.state),
            step=outcome.step,
            attempts=operation.attempts + int(outcome.counts_as_attempt),
            error_class=outcome.error_class,
            error_message=outcome.error_message,
            candidates=Jsonb([dict(one) for one in outcome.candidates]) if outcome.candidates else None,
            delay=outcome.delay,
            result=Jsonb(dict(outcome.result)),
        )
        if settled is None:
            raise LeaseLostError(operation.id)

    def waiting_move(self, operation: Operation) -> tuple[int, Mapping[str, Any]] | None:
        """Return id and payload of the planned move that waits for the lead of a contact's operation."""
        record = {**operation.identity.parameters(), "source_id": operation.source_id}
        return self.connection.execute(statement("operation/waiting_move"), record).fetchone()

    def carried_out(self, operation_id: int, result: Mapping[str, str]) -> None:
        """Record that a planned operation that nobody works on was carried out along with another."""
        self.connection.execute(
            statement("operation/carried_out"), {"id": operation_id, "result": Jsonb(dict(result))}
        )

    def release(self, operations: Sequence[Operation]) -> None:
        """Give back operations that were claimed and not started."""
        self.connection.execute(statement("operation/release"), _claims(operations))

    def forgive(self, operation_ids: Iterable[int]) -> None:
        """Take back the last attempt of operations that failed for no fault of their own."""
        self.connection.execute(statement("operation/forgive"), {"ids": sorted(operation_ids)})

    def waiting(self, sync_name: str) -> tuple[int, float | None]:
        """Return how many operations of a sync are open, and in how many seconds the next is due."""
        row = self._of_queue("operation/waiting_in_report", sync_name)
        return int(row[0]), None if row[2] is None else float(row[2])

    def deletions_waiting(self, sync_name: str) -> tuple[int, float]:
        """Return how many deletions wait for Krayin's limit, and in how many seconds the next is due."""
        row = self._of_queue("operation/deletions_waiting", sync_name)
        return int(row[0]), float(row[1])

    def _of_queue(self, name: str, sync_name: str) -> tuple[Any, ...]:
        queue = {"target_id": self.target_id, "sync_name": sync_name, "lowest_lane": int(self.lowest)}
        row = self.connection.execute(statement(name), queue).fetchone()
        assert row is not None
        return row

    def _note(self, name: str, operation: Operation, **facts: Any) -> tuple[Any, ...] | None:
        """Carry out a statement about a claimed operation; None when it found it to be of another claim."""
        claim = {"id": operation.id, "fence": operation.fence}
        return self.connection.execute(statement(name), {**claim, **facts}).fetchone()

    def _operation(self, row: Mapping[str, Any]) -> Operation:
        scope = BindingScope(row["scope_id"], self.target_id, row["installation_id"], row["account_id"])
        return _OPERATION.validate_python({**row, "identity": scope})


def _claims(operations: Sequence[Operation]) -> dict[str, list[int]]:
    return {"ids": [one.id for one in operations], "fences": [one.fence for one in operations]}


_OPERATION = TypeAdapter(Operation)
