"""Holds a plan that would change or remove more in Krayin than usual, until a person has answered."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb
from statements import statement

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    import psycopg

    from reconciliation.settings.sync_settings import ChangeLimits, RemovalLimits
    from reconciliation.store.binding_scope import BindingScope
    from reconciliation.store.ledger import Operation


def changed_fields(changes: Mapping[str, Iterable[str]], *, new: Collection[str] = ()) -> list[str]:
    """Return for `operation.changes` what a plan changes, as `kind.field`.

    `changes` are field names by CRM kind; the kinds in `new` have no record yet, so nothing there is changed.
    """
    return sorted(f"{kind}.{name}" for kind, names in changes.items() if kind not in new for name in names)


@dataclass(frozen=True, slots=True)
class ChangeGuard:
    """Counts what the plans of one sync change, over a period and whatever run, lane or slice they come from.

    Call `hold` as the last thing in every transaction that writes plan rows: they are counted, and held
    if need be, before a worker can see them. Only rows that name `changes` count, once for each source
    record; what only adds to Krayin passes. Those that name `removes` as well are counted apart: changes
    may reach the larger of their two `limits`, removals only the smaller of theirs. What makes a record
    again that we had deleted is always asked about.
    `requests_per_minute` and `with_custom` say how the plan will be carried out.
    """

    connection: psycopg.Connection
    identity: BindingScope
    sync_name: str
    run_id: int
    limits: ChangeLimits
    removal_limits: RemovalLimits
    requests_per_minute: int = 60
    with_custom: Collection[str] = ()
    dry_run: bool = False

    def require_approval(self) -> None:
        """Hold what the run has planned so far if it is too much, or replaces what is held already."""
        if not self.dry_run:
            # A dry run is one long transaction that others must not wait for; nothing of it stays.
            self._execute("operation/lock_approvals")
        waiting = self._waiting()
        if waiting:
            self._execute("operation/inherit_approval", approval_ids=list(waiting))
        too_much = [what for what, is_too_much in self._asked() if is_too_much]
        if too_much:
            approval_id = self._unasked(waiting)
            waiting[approval_id] = "open"
            for what in too_much:
                self._execute("operation/hold", approval_id=approval_id, what=what)
        if waiting:
            # One that waits may itself give up an address that the next one claims.
            while self._execute("operation/hold_claimants", approval_ids=list(waiting)).rowcount:
                pass

    def require_approval_of_claimed(self, operation: Operation, removes: Sequence[str]) -> bool:
        """Tell whether a claimed operation must wait, as more of what it removes shows than was planned.

        What was planned or approved with it passes. The operation is then to be settled as held.
        """
        with self.connection.transaction():
            self._execute("operation/lock_approvals")
            claim = {"id": operation.id, "fence": operation.fence}
            row = self._execute("operation/overwriting", **claim, removes=list(removes)).fetchone()
            return row is not None and replace(self, run_id=row[0]).hold_one(operation.id)

    def hold_one(self, operation_id: int) -> bool:
        """Tell whether an operation of the run must wait for what it removes, and note for which approval."""
        if not self._is_too_much(removals=True):
            return False
        approval_id = self._unasked(self._waiting())
        self._execute("operation/hold_claimed", id=operation_id, approval_id=approval_id)
        return True

    def awaiting_approval(self) -> int:
        """Return how many operations of the run are held."""
        return self._number("operation/held_of_run")

    def _asked(self) -> Iterator[tuple[str, bool]]:
        """Yield what a person may have to be asked about, and whether that is so."""
        yield "made_again", self._makes_again()
        yield "changes", self._is_too_much(removals=False)
        yield "removals", self._is_too_much(removals=True)

    def _makes_again(self) -> bool:
        made_again = self._number("removal/any_deleted") and self._execute("operation/made_again").rowcount
        return made_again > 0

    def _is_too_much(self, *, removals: bool) -> bool:
        limits = self.removal_limits if removals else self.limits
        counted = self._counted(limits.hours, removals=removals, most=limits.number + 1)
        if removals:
            return counted > limits.number or self._exceeds(limits.share, counted)
        if counted <= limits.number:
            return False
        return self._exceeds(limits.share, self._counted(limits.hours, removals=removals, most=None))

    def _exceeds(self, share: float, counted: int) -> bool:
        # More mapped records than these cannot change the verdict.
        enough = math.ceil(counted / share) if share else 0
        return counted > share * self._number("mapping/count", most=enough)

    def _counted(self, hours: int, *, removals: bool, most: int | None) -> int:
        period = timedelta(hours=hours)
        return self._number("operation/count_of_run", removals=removals, period=period, most=most)

    def _waiting(self) -> dict[int, str]:
        return {row[0]: row[1] for row in self._execute("approval/waiting")}

    def _unasked(self, waiting: Mapping[int, str]) -> int:
        """Return the approval that nobody is asked about yet, opened if there is none."""
        shown = {"requests_per_minute": self.requests_per_minute, "with_custom": sorted(self.with_custom)}
        unasked = (one for one, state in waiting.items() if state == "open")
        return next(unasked, None) or self._number("approval/open", shown=Jsonb(shown))

    def _number(self, name: str, **parameters: Any) -> int:
        row = self._execute(name, **parameters).fetchone()
        return int(row[0]) if row else 0

    def _execute(self, name: str, **parameters: Any) -> psycopg.Cursor[Any]:
        """Carry out a statement about the sync, its run and its records."""
        run = {"sync_name": self.sync_name, "run_id": self.run_id}
        return self.connection.execute(statement(name), {**self.identity.parameters(), **run, **parameters})
