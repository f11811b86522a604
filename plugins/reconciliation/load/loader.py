"""Drains the planned operations of a sync into Krayin."""

from __future__ import annotations

import logging
import time
import traceback
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from krayin.errors import (
    AuthenticationFailed,
    ConfigurationError,
    KrayinError,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    ServerFailed,
    UnexpectedAnswer,
    is_outage,
)
from krayin.rate_limiter import BudgetUnavailable
from psycopg.errors import UniqueViolation
from pydantic import ValidationError
from structlog.contextvars import bound_contextvars

from reconciliation.errors import (
    IncidentOpenError,
    LeaseLostError,
    OperationHeldError,
    RunStoppedError,
    SyncDatabaseError,
)
from reconciliation.load.outcome import failing, outcome_of, quarantined, stopped, unknown
from reconciliation.model.timing import DEFAULT, Timing
from reconciliation.plan.estimate import batch_size, groups_of
from reconciliation.store.ledger import OperationState, Outcome
from reconciliation.store.run_rows import ACTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from reconciliation.crm.reads import CrmReads
    from reconciliation.load.sink import Sink
    from reconciliation.store.ledger import Ledger, Operation

log = logging.getLogger(__name__)

# So many failures in a row that are not the row's own fault mean that Krayin is down.
BREAKER = 5
REPORT_EVERY = 10.0


@dataclass(slots=True)
class Loaded:
    """What a loading did: operations by how they ended, CRM records by what became of them."""

    ended: Counter[str] = field(default_factory=Counter)
    records: dict[str, Counter[str]] = field(default_factory=dict)
    quarantined: Counter[str] = field(default_factory=Counter)
    waiting: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for `sync_run.summary`: `created`, `updated`, `adopted`, ... by CRM kind."""
        shown: dict[str, Any] = {
            action: {kind: counts[action] for kind, counts in sorted(self.records.items()) if counts[action]}
            for action in (*ACTIONS, "already_equal", "deleted_in_krayin")
        }
        return shown | {
            "operations": dict(self.ended),
            "stages": dict(self.records.get("stage", {})),
            "quarantined": sum(self.quarantined.values()),
            "quarantine": dict(self.quarantined),
            "failed": self.ended[OperationState.OBSOLETE],
            "waiting": self.waiting,
        }


@dataclass(slots=True)
class Loader:
    """Carries out what is planned for one sync, until nothing is due or the time is up.

    `sinks` by `Operation.work`; `requests_per_minute` sizes what is read ahead; `on_progress` is
    told the numbers now and then, `on_idle` is called whenever nothing is due and at the end.
    Timing, clock and sleep are given so that tests need not wait.
    """

    ledger: Ledger
    reads: CrmReads
    sinks: Mapping[str, Sink]
    sync_name: str
    requests_per_minute: int
    on_progress: Callable[[Loaded], None] = lambda _: None
    on_idle: Callable[[], None] = lambda: None
    seconds: float | None = None
    timing: Timing = DEFAULT
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    loaded: Loaded = field(default_factory=Loaded)
    _failures: int = 0
    _failing: set[int] = field(default_factory=set)
    _counted: set[int] = field(default_factory=set)
    """Of the operations that failed since the last good answer, those whose attempt was counted."""
    _unresolved: set[str] = field(default_factory=set)
    """The keys of what got no trustworthy answer in this batch."""
    _reported: float = float("-inf")
    _renewed: float = float("-inf")
    _held: list[Operation] = field(default_factory=list)

    def run(self) -> Loaded:
        """Load and return what was done.

        Raises:
            RunStoppedError: Krayin is down, or the token or address is wrong; everything planned is kept.
        """
        started = worked = self.monotonic()
        # Whatever another worker holds or held is settled or free by then.
        longest_idle = (self.timing.lease + self.timing.settle + self.timing.patience).total_seconds()
        while self.seconds is None or self.monotonic() - started < self.seconds:
            self.ledger.recover()
            batch = self.ledger.claim(self.sync_name, batch_size(self.requests_per_minute))
            if batch:
                with closing(self._ready(batch)) as ready:
                    for operation in ready:
                        self._carry_out(operation)
                        self._report()
                worked = self.monotonic()
                continue
            self.on_idle()
            waiting, due_in = self.ledger.waiting(self.sync_name)
            if not waiting or due_in is None or due_in > self.timing.patience.total_seconds():
                break
            if self.monotonic() - worked > longest_idle:
                break
            self.sleep(min(max(due_in, 0.5), 5.0))
        self.on_idle()
        self.loaded.waiting = self.ledger.waiting(self.sync_name)[0]
        self._report(always=True)
        return self.loaded

    def _ready(self, batch: Sequence[Operation]) -> Generator[Operation]:
        """Yield a claimed batch with what it needs read ahead; what is not come to is given back."""
        self._held = list(batch)
        self._renewed = self.monotonic()
        self._unresolved.clear()
        try:
            # At a time as many as can be written before what was read for them is too old.
            for group in groups_of(batch, self.requests_per_minute, self.reads.attributes.with_custom):
                self.reads.forget()
                if not self._prefetched(group):
                    return
                for operation in group:
                    if not self._unresolved.isdisjoint(operation.keys):
                        continue
                    # Airflow's structured logs show them beside every line, those of libraries too.
                    entity = f"{operation.source_kind} {operation.source_id}"
                    with bound_contextvars(operation=operation.id, entity=entity):
                        if self._still_ours(operation):
                            yield operation
                    self._held.remove(operation)
        finally:
            self._give_back(self._held)

    def _prefetched(self, batch: Sequence[Operation]) -> bool:
        """Read ahead; False when Krayin does not answer. What one odd record spoils is read one by one."""
        try:
            # One sink of several kinds reads for all of them at once.
            for sink in dict.fromkeys(self.sinks.values()):
                ours = [operation for operation in batch if self.sinks[operation.work] is sink]
                if ours:
                    sink.prefetch(ours)
        except KrayinError as error:
            log.warning("Reading ahead failed: %s", error)
            if is_outage(error):
                self._note_failure(error)
                return False
        return True

    def _still_ours(self, operation: Operation) -> bool:
        if self.monotonic() - self._renewed < self.timing.lease.total_seconds() / 3:
            return True
        ours = self.ledger.renew(self._held)
        self._renewed = self.monotonic()
        if operation.id not in ours:
            log.warning("%s", LeaseLostError(operation.id))
        return operation.id in ours

    def _give_back(self, left: Sequence[Operation]) -> None:
        if not left:
            return
        try:
            self.ledger.release(left)
        except psycopg.Error:
            # What ended the loading is worth more than this: their leases run out by themselves.
            log.warning("%d claimed operation(s) could not be released.", len(left))

    def _carry_out(self, operation: Operation) -> None:
        stopping: KrayinError | None = None
        try:
            outcome = self.sinks[operation.work].write(operation)
            self._failures = 0
            self._failing.clear()
            self._counted.clear()
        except LeaseLostError as lost:
            log.warning("%s", lost)
            return
        except OperationHeldError as held:
            log.info("%s", held)
            outcome = Outcome(OperationState.HELD)
        except IncidentOpenError as stop:
            self._settle(operation, stopped(stop))
            self._held.remove(operation)
            raise
        except KrayinError as error:
            outcome = outcome_of(operation, error, self.timing, alone=self._failing <= {operation.id})
            stopping = error
            log.warning("%s: %s", operation, error)
        except ValidationError as error:
            fields = ", ".join(
                sorted({".".join(map(str, one["loc"])) or one["msg"] for one in error.errors()})
            )
            outcome = quarantined(
                "invalid", f"cannot be put into Krayin's form ({fields}): correct the contact in Chatwoot"
            )
        except (psycopg.OperationalError, psycopg.InterfaceError, BudgetUnavailable, SyncDatabaseError):
            raise
        except Exception as error:  # noqa: BLE001 - one odd row must not keep all others from being loaded
            outcome = self._unforeseen(operation, error)
        self._settle(operation, outcome)
        if stopping is not None:
            self._failing.add(operation.id)
            if outcome.counts_as_attempt:
                self._counted.add(operation.id)
            self._note_failure(stopping)

    def _unforeseen(self, operation: Operation, error: Exception) -> Outcome:
        place = traceback.extract_tb(error.__traceback__)[-1]
        # The error's own text may quote a customer's data.
        message = (
            f"{type(error).__name__} in {place.name}, {place.filename.rpartition('/')[2]}:{place.lineno}"
        )
        log.error("%s: %s", operation, message)
        if operation.error_message == message:
            return failing("internal_error", f"this program failed on it ({message}); please report it")
        return unknown("internal_error", message, self.timing.settle, counts_as_attempt=True)

    def _settle(self, operation: Operation, outcome: Outcome) -> None:
        if outcome.state is OperationState.UNKNOWN:
            # What its call may have made must not be claimed by the next row.
            self._unresolved.update(operation.keys)
        try:
            try:
                self.ledger.settle(operation, outcome)
            except UniqueViolation:
                # A newer plan arrived in this moment; the second try gives way to it.
                self.ledger.settle(operation, outcome)
        except LeaseLostError as lost:
            log.warning("%s", lost)
            return
        self.loaded.ended[outcome.state] += 1
        for kind, what in outcome.result.items():
            self.loaded.records.setdefault(kind, Counter())[what] += 1
        if outcome.state is OperationState.QUARANTINED:
            self.loaded.quarantined[outcome.error_class or "unknown"] += 1
            log.warning("%s quarantined (%s): %s", operation, outcome.error_class, outcome.error_message)

    def _note_failure(self, error: KrayinError) -> None:
        if isinstance(error, AuthenticationFailed) and self._counted:
            # Krayin may answer a dead token as it answers a record it fails on.
            self.ledger.forgive(self._counted)
        if isinstance(error, AuthenticationFailed | ConfigurationError | RateLimited):
            self._stop(f"{error}.")
        if isinstance(error, NotSent | OutcomeUnknown | ServerFailed | UnexpectedAnswer):
            self._failures += 1
            if self._failures >= BREAKER:
                self._stop(f"Krayin failed {self._failures} times in a row, last: {error}.")

    def _stop(self, reason: str) -> None:
        self.loaded.waiting = self.ledger.waiting(self.sync_name)[0]
        raise RunStoppedError(reason, self.loaded.waiting)

    def _report(self, *, always: bool = False) -> None:
        if always or self.monotonic() - self._reported >= REPORT_EVERY:
            self._reported = self.monotonic()
            self.loaded.waiting = self.ledger.waiting(self.sync_name)[0]
            self.on_progress(self.loaded)
