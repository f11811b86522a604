"""One run of a sync: plan, load."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from krayin.permits import Lane
from structlog.contextvars import bind_contextvars

from reconciliation.crm.krayin_connection import OpenKrayin, open_krayin
from reconciliation.crm.options import make_options
from reconciliation.model.timing import DEFAULT, Timing
from reconciliation.run.loading import Loading
from reconciliation.run.planning import Planning
from reconciliation.settings.targets import LeadTargets, resolve_targets
from reconciliation.store.connection import connect, working
from reconciliation.store.incidents import require_no_incident
from reconciliation.store.run_rows import (
    Run,
    RunKind,
    RunState,
    count_calls,
    failing_run,
    open_run,
    read_run,
    update_run,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    import psycopg
    from chatwoot.api.session import ApiSession
    from chatwoot.source import ChatwootSource, SourceFilter
    from krayin.hook import KrayinHook

    from reconciliation.load.loader import Loaded
    from reconciliation.run.planning import AlsoPlanned
    from reconciliation.run.request import RunRequest
    from reconciliation.settings.sync_settings import SyncSettings


@dataclass(frozen=True, slots=True)
class Sync:
    """One sync with the ways to its three systems."""

    settings: SyncSettings
    sync_dsn: str
    source: ChatwootSource
    krayin: KrayinHook
    timing: Timing = DEFAULT
    write_back: Callable[[], ApiSession] | None = None
    """Opens Chatwoot's API for writing ids back; None where that is not wished."""
    existing: frozenset[str] | None = None
    """The names of all syncs, whose open work is their own; None where they are not known."""

    @property
    def scope(self) -> SourceFilter:
        """The part of Chatwoot that this sync brings over now."""
        return self.settings.scope(datetime.now(UTC))

    def plan(self, request: RunRequest, *, also: AlsoPlanned = lambda *_: None) -> int:
        """Extract and plan; return the id of the run. Nothing is sent to Krayin.

        `also` is called with the connection and the run's id in the transaction that ends the planning.

        Raises:
            ChatwootError: Chatwoot cannot be read as the settings say.
            KrayinError: Krayin does not answer, or the address or token is wrong.
            SettingsDoNotFitKrayinError: the settings name something this Krayin does not have.
            SyncDatabaseError: the sync database cannot be reached.
            WorkflowsNotConfirmedError: Krayin would mail people for the records of the first load.
        """
        with working(self.sync_dsn) as connection:
            run_id = open_run(
                connection,
                self.settings.name,
                request.kind,
                dag_run_id=request.dag_run_id,
                dry_run=request.dry_run,
            )
            bind_contextvars(run=run_id)
            with failing_run(connection, run_id):
                Planning(self, connection, run_id, request).run(also)
            return run_id

    def load(self, run_id: int, *, seconds: float | None = None) -> Run:
        """Carry out what is planned for this sync and return the run as it stands then.

        Raises:
            RunStoppedError: Krayin is down or refuses us; everything planned is kept.
            KrayinError, SettingsDoNotFitKrayinError, SyncDatabaseError: as `plan`.
        """
        with working(self.sync_dsn) as connection:
            bind_contextvars(run=run_id)
            run = read_run(connection, run_id)
            if run.dry_run or not self.settings.enabled:
                update_run(connection, run_id, RunState.DONE, count_calls(connection, run_id))
                return read_run(connection, run_id)
            update_run(connection, run_id, RunState.LOADING)
            with failing_run(connection, run_id), Loading(self, connection, run).loader(seconds) as loader:
                loader.run()
            return read_run(connection, run_id)

    def help_load(self, run_id: int, *, seconds: float | None = None) -> Loaded:
        """Carry out what is planned, beside another loader of the same run, and add to its numbers.

        Raises:
            RunStoppedError, KrayinError, SettingsDoNotFitKrayinError, SyncDatabaseError: as `load`.
        """
        with working(self.sync_dsn) as connection:
            return Loading(self, connection, read_run(connection, run_id)).help(seconds)

    def run(self, request: RunRequest) -> Run:
        """Plan and load in one go."""
        return self.load(self.plan(request), seconds=request.seconds)

    @contextmanager
    def opened(
        self, connection: psycopg.Connection, run_id: int, lane: Lane, *, makes_options: bool = False
    ) -> Iterator[tuple[OpenKrayin, LeadTargets]]:
        """Open the sync's Krayin for a run; yield it and where new leads go.

        With `makes_options` it gets the options that the settings name.

        Raises:
            IncidentOpenError: this sync, or every sync to that Krayin, is stopped.
        """
        with self.open_krayin(connection, run_id=run_id, lane=lane) as krayin:
            require_no_incident(connection, sync_name=self.settings.name, target_id=krayin.target_id)
            catalogue = krayin.catalogue
            if makes_options:
                catalogue = make_options(self.settings, krayin.client, krayin.attributes)
            yield replace(krayin, catalogue=catalogue), resolve_targets(self.settings, catalogue)

    @contextmanager
    def beside_runs(
        self, connection: psycopg.Connection, *, fresh: bool = False
    ) -> Iterator[tuple[int, OpenKrayin]]:
        """Open the sync's Krayin for work that is no run of the sync; yield the id it goes by, and Krayin.

        Its calls and how it ended are noted like a run's, of kind `setup`.
        """
        run_id = open_run(connection, self.settings.name, RunKind.SETUP, dag_run_id=None, dry_run=True)
        with (
            failing_run(connection, run_id),
            self.open_krayin(connection, run_id=run_id, fresh=fresh) as krayin,
        ):
            yield run_id, krayin
        update_run(connection, run_id, RunState.DONE)

    def open_krayin(
        self,
        connection: psycopg.Connection,
        *,
        run_id: int | None = None,
        lane: Lane = Lane.SCHEDULED,
        fresh: bool = False,
    ) -> AbstractContextManager[OpenKrayin]:
        """Open the sync's Krayin, whether it is stopped or not; see `crm.krayin_connection.open_krayin`."""
        return open_krayin(
            connection,
            partial(connect, self.sync_dsn),
            self.krayin,
            self.settings.krayin,
            lane=lane,
            run_id=run_id,
            fresh=fresh,
        )
