"""The second half of a run: carry out what is planned, tell how far it is, sum up."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from reconciliation.errors import RunStoppedError
from reconciliation.load import Loaded
from reconciliation.run_parts import RunParts
from reconciliation.runs import LANES, Run, RunKind, RunState, add_to_summary, count_calls, update_run
from reconciliation.write_back import WriteBack

if TYPE_CHECKING:
    import psycopg

    from reconciliation.run import Sync

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loading:
    """The loading of one run of a sync. The connection to the sync database is in autocommit mode."""

    sync: Sync
    connection: psycopg.Connection
    of_run: Run

    def run(self, seconds: float | None) -> None:
        """Load for at most `seconds` and keep the numbers with the run.

        Raises:
            RunStoppedError: Krayin is down or refuses us; everything planned is kept.
        """
        run = self.of_run
        if not self.sync.settings.enabled:
            update_run(self.connection, run.id, RunState.DONE, self._totals())
            return
        started = datetime.now(UTC)
        with self.sync.opened(self.connection, run.id, LANES[run.kind]) as (krayin, targets):
            loader = RunParts(self.sync, self.connection, krayin, targets).loader(run, seconds)
            loader.on_progress = partial(self._progress, started)
            try:
                loaded = loader.run()
            except RunStoppedError as stopped:
                summary = {**self._numbers(loader.loaded), **self._totals()}
                update_run(self.connection, run.id, RunState.STOPPED, summary, str(stopped))
                raise
        update_run(
            self.connection,
            run.id,
            RunState.DONE,
            {
                **self._numbers(loaded),
                **self._written_back(krayin.target_id),
                **self._totals(),
                "elapsed_seconds": _since(started),
            },
        )

    def help(self, number: int, seconds: float | None) -> Loaded:
        """Load beside another loader of the same run; `number` tells them apart."""
        run = self.of_run
        if run.dry_run or not self.sync.settings.enabled:
            return Loaded()
        with self.sync.opened(self.connection, run.id, LANES[run.kind]) as (krayin, targets):
            loaded = RunParts(self.sync, self.connection, krayin, targets).loader(run, seconds).run()
        add_to_summary(self.connection, run.id, {f"loader_{number}": loaded.to_json()})
        return loaded

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
        done = sum(loaded.ended.values())
        totals = self._totals()
        made = totals["calls"] - int(run.summary.get("calls") or 0)
        # An operation that is left is a call at least; the plan knows of more.
        calls = max(loaded.waiting, int(run.summary.get("forecast_load_calls") or 0) - made)
        seconds = round(calls * 60 / pace) if loaded.waiting else 0
        log.info(
            "%d done, %d left, about %s at %d calls a minute",
            done,
            loaded.waiting,
            timedelta(seconds=seconds),
            pace,
        )
        update_run(
            self.connection,
            run.id,
            RunState.LOADING,
            {
                **self._numbers(loaded),
                **totals,
                "done": done,
                "remaining_seconds": seconds,
                "elapsed_seconds": _since(started),
            },
        )

    def _numbers(self, loaded: Loaded) -> dict[str, Any]:
        # Those that the plan set aside wait for a person as well.
        reasons = Counter(self.of_run.summary.get("planned_quarantine", {})) + loaded.quarantined
        return {**loaded.to_json(), "quarantined": reasons.total(), "quarantine": dict(reasons)}

    def _totals(self) -> dict[str, int]:
        return count_calls(self.connection, self.of_run.id)


def _since(started: datetime) -> float:
    return round((datetime.now(UTC) - started).total_seconds(), 1)
