"""Holds a plan that would change or delete more in Krayin than usual, until a person has answered."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb
from statements import statement

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    import psycopg

    from reconciliation.identity import Identity
    from reconciliation.settings.sync_settings import ChangeGuard


def changed_fields(changes: Mapping[str, Iterable[str]], *, new: Collection[str] = ()) -> list[str]:
    """Return for `operation.changes` what a plan changes, as `kind.field`.

    `changes` are field names by CRM kind; the kinds in `new` have no record yet, so nothing there is changed.
    """
    return sorted(f"{kind}.{name}" for kind, names in changes.items() if kind not in new for name in names)


@dataclass(frozen=True, slots=True)
class Guard:
    """Counts what the plans of one sync change, over a period and whatever run, lane or slice they come from.

    Call `hold` as the last thing in every transaction that writes plan rows: they are counted, and held
    if need be, before a worker can see them. Only rows that name `changes` count, once for each source
    record; what only adds to Krayin passes. `requests_per_minute` and `with_custom` say how the plan
    will be carried out.
    """

    connection: psycopg.Connection
    identity: Identity
    sync_name: str
    run_id: int
    limits: ChangeGuard
    requests_per_minute: int = 60
    with_custom: Collection[str] = ()
    dry_run: bool = False

    def hold(self) -> None:
        """Hold what the run has planned so far if it is too much, or replaces what is held already."""
        if not self.dry_run:
            # A dry run is one long transaction that others must not wait for; nothing of it stays.
            self.connection.execute(statement("guard/lock"), {"sync_name": self.sync_name})
        waiting = self._waiting()
        if waiting:
            self._execute("guard/inherit", approval_ids=list(waiting))
        if self._is_too_much():
            unasked = next((one for one, state in waiting.items() if state == "open"), None)
            approval_id = self._open() if unasked is None else unasked
            waiting[approval_id] = "open"
            self._execute("guard/hold", approval_id=approval_id)
        if waiting:
            # One that waits may itself give up an address that the next one claims.
            while self._execute("guard/hold_claimants", approval_ids=list(waiting)):
                pass

    def held(self) -> int:
        """Return how many operations of the run are held."""
        row = self.connection.execute(statement("guard/held_of_run"), {"run_id": self.run_id}).fetchone()
        return int(row[0]) if row else 0

    def _is_too_much(self) -> bool:
        if self._changed(most=self.limits.number + 1) <= self.limits.number:
            return False
        changed = self._changed(most=None)
        # More mapped records than these cannot change the verdict.
        enough = math.ceil(changed / self.limits.share)
        row = self.connection.execute(
            statement("guard/mapped"), {**self.identity.parameters(), "most": enough}
        ).fetchone()
        return changed > self.limits.share * (int(row[0]) if row else 0)

    def _changed(self, *, most: int | None) -> int:
        row = self.connection.execute(
            statement("guard/count"),
            {
                "sync_name": self.sync_name,
                "run_id": self.run_id,
                "period": timedelta(hours=self.limits.hours),
                "most": most,
            },
        ).fetchone()
        return int(row[0]) if row else 0

    def _waiting(self) -> dict[int, str]:
        rows = self.connection.execute(statement("guard/waiting"), {"sync_name": self.sync_name})
        return {row[0]: row[1] for row in rows}

    def _open(self) -> int:
        shown = {"requests_per_minute": self.requests_per_minute, "with_custom": sorted(self.with_custom)}
        row = self.connection.execute(
            statement("guard/open"),
            {"sync_name": self.sync_name, "run_id": self.run_id, "shown": Jsonb(shown)},
        ).fetchone()
        assert row is not None
        return int(row[0])

    def _execute(self, name: str, **parameters: Any) -> int:
        return self.connection.execute(statement(name), {"run_id": self.run_id, **parameters}).rowcount
