"""The second half of a run: carry out what is planned, tell how far it is, sum up."""

from __future__ import annotations

import logging
import uuid
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from reconciliation.crm.person_deletions import PERSON_DELETIONS, deletion_seconds
from reconciliation.errors import IncidentOpenError, RunStoppedError
from reconciliation.load.loader import Loaded
from reconciliation.model.duration import duration
from reconciliation.run.factory import RunFactory
from reconciliation.run.write_back import WriteBack
from reconciliation.store.ledger import OperationState
from reconciliation.store.run_rows import (
    LANES,
    Run,
    RunKind,
    RunState,
    add_to_summary,
    count_calls,
    keep_share,
    update_run,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import psycopg

    from reconciliation.load.loader import Loader
    from reconciliation.run.sync_run import Sync

log = logging.getLogger(__name__)

# What is unknown, or planned again, comes once more.
ENDED = (OperationState.DONE, OperationState.OBSOLETE, OperationState.QUARANTINED)


@dataclass(frozen=True, slots=True)
class Loading:
    """The loading of one run of a sync, by one of its loaders, once.

    The connection to the sync database is in autocommit mode.
    """

    sync: Sync
    connection: psycopg.Connection
    of_run: Run
    _share: str = field(default_factory=lambda: uuid.uuid4().hex[:12], init=False)

    @contextmanager
    def loader(self, seconds: float | None) -> Iterator[Loader]:
        """Give what loads for at most `seconds`, and keep its numbers with the run.

        Raises:
            RunStoppedError: Krayin is down or refuses us; everything planned is kept.
            IncidentOpenError: this may be another Krayin; everything planned is kept.
        """
        run, started = self.of_run, datetime.now(UTC)
        with self.sync.opened(self.connection, run.id, LANES[run.kind]) as (krayin, targets):
            loader = RunFactory(self.sync, self.connection, krayin, targets).loader(run, seconds)
            loader.on_progress = partial(self._progress, started)
            try:
                yield loader
            except (RunStoppedError, IncidentOpenError) as stopped:
                self._keep(loader.loaded, RunState.STOPPED, self._totals(), str(stopped))
                raise
        more = {
            **self._written_back(krayin.target_id),
            **self._totals(),
            "elapsed_seconds": _since(started),
        }
        waiting = _limited(*loader.ledger.deletions_waiting(run.sync_name))
        self._keep(loader.loaded, RunState.DONE, more, waiting)

    def help(self, seconds: float | None) -> Loaded:
        """Load beside another loader of the same run and add to its numbers."""
        run = self.of_run
        if run.dry_run or not self.sync.settings.enabled:
            return Loaded()
        with self.sync.opened(self.connection, run.id, LANES[run.kind]) as (krayin, targets):
            loader = RunFactory(self.sync, self.connection, krayin, targets).loader(run, seconds)
            try:
                return loader.run()
            finally:
                with self.connection.transaction():
                    add_to_summary(self.connection, run.id, self._numbers(loader.loaded))

    def _written_back(self, target_id: int) -> dict[str, Any]:
        """Write ids back to Chatwoot; runs for webhooks leave it to the next scheduled one."""
        settings = self.sync.settings
        attribute = settings.write_back_attribute
        if attribute is None or self.sync.write_back is None or self.of_run.kind is RunKind.EVENTS:
            return {}
        with self.sync.write_back() as session:
            written = WriteBack(self.connection, session, settings.name, target_id, attribute).run()
        return {"write_back": written}

    def _progress(self, started: datetime, loaded: Loaded) -> None:
        run = self.of_run
        pace = int(run.summary.get("requests_per_minute") or 60)
        done = sum(loaded.ended[state] for state in ENDED)
        totals = self._totals()
        made = totals["calls"] - int(run.summary.get("calls") or 0)
        # An operation that is left is a call at least; the plan knows of more.
        calls = max(loaded.waiting, int(run.summary.get("forecast_load_calls") or 0) - made)
        seconds = round(calls * 60 / pace) if loaded.waiting else 0
        log.info(
            "%d done, %d left, about %s at %d calls a minute",
            done,
            loaded.waiting,
            duration(seconds),
            pace,
        )
        more = {**totals, "remaining_seconds": seconds, "elapsed_seconds": _since(started)}
        self._keep(loaded, RunState.LOADING, more)

    def _keep(
        self, loaded: Loaded, state: RunState, more: Mapping[str, Any], message: str | None = None
    ) -> None:
        with self.connection.transaction():
            numbers = {**self._numbers(loaded), **more}
            update_run(self.connection, self.of_run.id, state, numbers, message)

    def _numbers(self, loaded: Loaded) -> dict[str, Any]:
        """Return what all loaders of the run did, this one included; inside a transaction."""
        own = loaded.to_json()
        waiting = own.pop("waiting")
        total = summed(keep_share(self.connection, self.of_run.id, self._share, own))
        # Those that the plan set aside wait for a person as well.
        reasons = Counter(self.of_run.summary.get("planned_quarantine", {})) + Counter(total["quarantine"])
        return {
            **total,
            "quarantined": reasons.total(),
            "quarantine": dict(reasons),
            "waiting": waiting,
            "done": sum(total["operations"].get(state, 0) for state in ENDED),
        }

    def _totals(self) -> dict[str, int]:
        return count_calls(self.connection, self.of_run.id)


def summed(shares: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sum of numbers by name; names may hold further numbers by name, as deep as they like.

    A name that is missing in a share counts nothing there.
    """
    total: dict[str, Any] = {}
    for share in shares:
        for name, value in share.items():
            there = total.get(name)
            if isinstance(value, dict):
                total[name] = summed((there or {}, value))
            else:
                total[name] = (there or 0) + value
    return total


def _limited(deletions: int, due_in: float) -> str | None:
    """Say how many removals Krayin's own limit of deletions leaves to later runs, None without any."""
    if not deletions:
        return None
    wait = "removal waits" if deletions == 1 else "removals wait"
    return (
        f"{deletions} {wait} for Krayin's limit of {PERSON_DELETIONS} deletions an hour, "
        f"about {duration(max(due_in, deletion_seconds(deletions)))} left"
    )


def _since(started: datetime) -> float:
    return round((datetime.now(UTC) - started).total_seconds(), 1)
