"""One run of a sync: extract, plan, load, sum up."""

from __future__ import annotations

import logging
import os
import socket
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
from chatwoot.source import ByIds, ChangedSince, Everything, Listed, Mark, Reach, Scope, Window
from chatwoot.sweep import Stream
from krayin.pacing import Lane
from psycopg.types.json import Jsonb
from statements import statement
from structlog.contextvars import bind_contextvars

from reconciliation.activity_marks import ActivityMarks
from reconciliation.activity_writer import ActivityWriter
from reconciliation.contact_trace import remember_traces
from reconciliation.contact_writer import ContactWriter
from reconciliation.crm_reads import CrmReads
from reconciliation.duration import spoken
from reconciliation.errors import RunStoppedError
from reconciliation.expectation import Rules
from reconciliation.extract import stage_contacts
from reconciliation.first_load import WorkflowsNotConfirmedError, described, unconfirmed
from reconciliation.guard import Guard
from reconciliation.identity import Identity, register_installation, require_known_installation
from reconciliation.inheritance import inherit
from reconciliation.krayin_connection import OpenKrayin, open_krayin
from reconciliation.ledger import Ledger, lowest_lane
from reconciliation.load import Loaded, Loader
from reconciliation.mapping import MappingRules
from reconciliation.mapping_store import MappingStore
from reconciliation.operation_rows import PlanScope
from reconciliation.organization_writer import OrganizationWriter
from reconciliation.plan_reads import PlanReads
from reconciliation.planner import Planner
from reconciliation.retirement import RetirementWriter, WithRetirements
from reconciliation.runs import (
    Run,
    RunKind,
    RunState,
    add_to_summary,
    count_calls,
    open_run,
    read_run,
    update_run,
)
from reconciliation.snapshot import PersonSnapshot
from reconciliation.stage_writer import StageWriter
from reconciliation.sweep import keys_of, remember
from reconciliation.sync_database import connect, working
from reconciliation.talk import Talk
from reconciliation.targets import LeadTargets, final_stages, resolve_targets
from reconciliation.timing import DEFAULT, Timing
from reconciliation.write_back import WriteBack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from chatwoot.api_session import ApiSession
    from chatwoot.source import ChatwootSource, Selection, SourceSnapshot
    from krayin.catalogue import Catalogue
    from krayin.client import EntityType

    from reconciliation.krayin_connection import KrayinAccess
    from reconciliation.settings import SyncSettings

    AlsoPlanned = Callable[[psycopg.Connection, int], object]

log = logging.getLogger(__name__)

STREAM = "contacts"
LANES = {
    RunKind.SCHEDULED: Lane.SCHEDULED,
    RunKind.MANUAL: Lane.SCHEDULED,
    RunKind.EVENTS: Lane.LIVE,
    RunKind.BACKFILL: Lane.BACKFILL,
    RunKind.RECONCILE: Lane.DRIFT,
    RunKind.SETUP: Lane.SCHEDULED,
}


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a run is asked to look at.

    `contact_ids`, `window` (aware start and end) or `sweep_id` (what a sweep found to differ) name the
    records; without them it is what changed since the watermark, or everything with `full`. Only a run
    without them moves the watermark, and never a dry or a backfill one. `seconds` bounds the loading.
    """

    kind: RunKind = RunKind.MANUAL
    dag_run_id: str | None = None
    contact_ids: frozenset[int] = frozenset()
    window: tuple[datetime, datetime] | None = None
    sweep_id: int | None = None
    full: bool = False
    dry_run: bool = False
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Sync:
    """One sync with the ways to its three systems."""

    settings: SyncSettings
    sync_dsn: str
    source: ChatwootSource
    krayin: KrayinAccess
    timing: Timing = DEFAULT
    write_back: Callable[[], ApiSession] | None = None
    """Opens Chatwoot's API for writing ids back; None where that is not wished."""
    existing: frozenset[str] | None = None
    """The names of all syncs, whose open work is their own; None where they are not known."""

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
                self._plan(connection, run_id, request, also)
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
            if run.dry_run:
                update_run(connection, run_id, RunState.DONE, self._totals(connection, run_id))
                return read_run(connection, run_id)
            update_run(connection, run_id, RunState.LOADING)
            with failing_run(connection, run_id):
                self._load(connection, run, seconds)
            return read_run(connection, run_id)

    def help_load(self, run_id: int, number: int, *, seconds: float | None = None) -> Loaded:
        """Carry out what is planned, beside another loader of the same run; `number` tells them apart.

        Raises:
            RunStoppedError, KrayinError, SettingsDoNotFitKrayinError, SyncDatabaseError: as `load`.
        """
        with working(self.sync_dsn) as connection:
            run = read_run(connection, run_id)
            if run.dry_run or not self.settings.enabled:
                return Loaded()
            with self.opened(connection, run.id, LANES[run.kind]) as (krayin, targets):
                loaded = self._loader(connection, krayin, targets, run, seconds).run()
            add_to_summary(connection, run_id, {f"loader_{number}": loaded.to_json()})
            return loaded

    def run(self, request: RunRequest) -> Run:
        """Plan and load in one go."""
        return self.load(self.plan(request), seconds=request.seconds)

    @contextmanager
    def opened(
        self, connection: psycopg.Connection, run_id: int, lane: Lane
    ) -> Iterator[tuple[OpenKrayin, LeadTargets]]:
        """Open the sync's Krayin for a run; yield it and where new leads go."""
        with open_krayin(
            connection,
            partial(connect, self.sync_dsn),
            self.krayin,
            lane=lane,
            run_id=run_id,
            requests_per_minute=self.settings.krayin.requests_per_minute,
        ) as krayin:
            yield krayin, resolve_targets(self.settings, krayin.catalogue)

    def _plan(
        self, connection: psycopg.Connection, run_id: int, request: RunRequest, also: AlsoPlanned
    ) -> None:
        if not self.settings.enabled:
            update_run(
                connection, run_id, RunState.PLANNED, {"read": 0}, "the sync is switched off (enabled: false)"
            )
            also(connection, run_id)
            return
        lane = LANES[request.kind]
        with self.opened(connection, run_id, lane) as (krayin, targets):
            rules = mapping_rules(self.settings, krayin, targets, datetime.now(UTC))
            with self.source.snapshot() as snapshot:
                if self.settings.chatwoot.source == "api":
                    # An API does not say the installation's own name: its address stands in, and may change.
                    require_known_installation(
                        connection,
                        self.settings.name,
                        krayin.target_id,
                        self.settings.chatwoot.account_id,
                        snapshot.installation,
                    )
                identity = Identity(
                    krayin.target_id,
                    register_installation(connection, snapshot.installation),
                    self.settings.chatwoot.account_id,
                )
                scope = Scope(
                    identity.account_id,
                    None
                    if self.settings.chatwoot.inboxes is None
                    else frozenset(self.settings.chatwoot.inboxes),
                )
                snapshot.check(scope)
                if self.existing is not None and not request.dry_run:
                    inherit(connection, identity, self.settings.name, self.existing)
                first = self._watermark(connection, identity) is None
                mailing = self._check_first_load(krayin, dry_run=request.dry_run) if first else []
                selection = self._selection(connection, identity, snapshot, request)
                read_at = snapshot.read_at
                # It costs a scan of all contacts, which a run for a few of them should not pay.
                mark = snapshot.mark if _moves_watermark(request) else None
                order = krayin.catalogue.stage_order(targets.pipeline_id)
                talk = self.talk(connection, identity, run_id, request, order)
                extracted = stage_contacts(
                    connection,
                    identity,
                    run_id,
                    talk.contacts(snapshot, scope, selection),
                    rules,
                    follow_closed=self.settings.new_lead_after_close,
                )
                talk.stage(snapshot, scope, datetime.now(UTC))
                if mark is not None:
                    remember_traces(connection, identity, snapshot)
            guard = Guard(
                connection=connection,
                identity=identity,
                sync_name=self.settings.name,
                run_id=run_id,
                limits=self.settings.max_changes_without_approval,
                requests_per_minute=krayin.requests_per_minute,
                with_custom=kinds_with_custom(krayin.catalogue),
                dry_run=request.dry_run,
            )
            planner = self.planner(connection, krayin, targets, identity, run_id, request, read_at)
            planner.guard = guard
            # What a run to be carried out will begin with again.
            repeated = int(first)
            if planner.anything_unlinked():
                snapshot_of_persons = PersonSnapshot(
                    connection, krayin.client, krayin.target_id, self.settings.default_phone_region
                )
                snapshot_of_persons.refresh()
                repeated += snapshot_of_persons.next_refresh_calls()
            planned = planner.run()
            if planner.reads is not None:
                repeated += planner.reads.repeated
            talk.plan(
                PlanScope(identity, run_id, self.settings.name, lane, read_at),
                krayin.client,
                guard,
                dry_run=request.dry_run,
            )
            with connection.transaction():
                also(connection, run_id)
                if request.sweep_id is not None and not request.dry_run:
                    remember(connection, request.sweep_id, self.settings.name, identity)
                if mark is not None:
                    self._move_watermark(connection, identity, mark, run_id)
                    talk.move_watermarks(mark)
                talk.clear()
                connection.execute(statement("plan/staged_clear"), {"run_id": run_id})
                spent = count_calls(connection, run_id)["calls"]
                summary = {
                    **extracted.to_json(),
                    **planned.to_json(),
                    **talk.to_json(),
                    # Of contacts and companies as planned, of lead stages as it stands now.
                    "held": max(planned.held, guard.held()),
                    "calls": spent,
                    "first_load": first,
                    "mailing_workflows": mailing,
                    **_forecast(
                        before=repeated if request.dry_run else spent,
                        left=planned.queue_calls + talk.calls + (repeated if request.dry_run else 0),
                        load=planned.queue_calls + talk.calls,
                        requests_per_minute=krayin.requests_per_minute,
                    ),
                }
                update_run(connection, run_id, RunState.PLANNED, summary)
        log_plan(summary, dry_run=request.dry_run)

    def planner(  # noqa: PLR0913, PLR0917 - what a run knows of itself
        self,
        connection: psycopg.Connection,
        krayin: OpenKrayin,
        targets: LeadTargets,
        identity: Identity,
        run_id: int,
        request: RunRequest,
        read_at: datetime,
    ) -> Planner:
        """Return the planner of a run; `read_at` is when Chatwoot was read by its own clock."""
        with_custom = kinds_with_custom(krayin.catalogue)
        return Planner(
            connection=connection,
            identity=identity,
            run_id=run_id,
            sync_name=self.settings.name,
            lane=LANES[request.kind],
            read_at=read_at,
            recreate_deleted=self.settings.recreate_deleted,
            connect=partial(connect, self.sync_dsn),
            dry_run=request.dry_run,
            rules=Rules(
                on_crm_edit=self.settings.on_crm_edit,
                phone_region=self.settings.default_phone_region,
                email_required=krayin.catalogue.email_required(),
                pipeline_id=targets.pipeline_id,
                final_stages=final_stages(krayin.catalogue),
                recreate_deleted=self.settings.recreate_deleted,
            ),
            reads=PlanReads(krayin.client, krayin.catalogue, with_custom, exact=request.dry_run),
            requests_per_minute=krayin.requests_per_minute,
            with_custom=with_custom,
        )

    def talk(
        self,
        connection: psycopg.Connection,
        identity: Identity,
        run_id: int,
        request: RunRequest,
        order: Sequence[int],
    ) -> Talk:
        """Return what reads and plans what was said; `order` are the stages of the sync's pipeline."""
        asked: ByIds | Window | None = None
        if request.contact_ids:
            asked = ByIds(request.contact_ids)
        elif request.window is not None:
            asked = Window(*request.window)
        return Talk(
            connection,
            self.settings,
            identity,
            run_id,
            asked,
            full=request.full,
            order=order,
            sweep_id=request.sweep_id,
        )

    def _selection(  # noqa: PLR0911 - one for each way to be asked
        self,
        connection: psycopg.Connection,
        identity: Identity,
        snapshot: SourceSnapshot,
        request: RunRequest,
    ) -> Selection:
        if request.contact_ids:
            return ByIds(request.contact_ids)
        if request.window is not None:
            return Window(*request.window)
        if request.sweep_id is not None:
            return Listed(partial(keys_of, connection, request.sweep_id, Stream.CONTACTS))
        if request.full:
            return Everything()
        row = self._watermark(connection, identity)
        if row is None:
            return Everything()
        if bytes(row[1]) != self.settings.contents_hash():
            log.info("The settings changed what contacts turn into: everything is compared once more.")
            return Everything()
        changed = ChangedSince(Mark.from_json(row[0]))
        if snapshot.reach(changed) not in {Reach.EXACT, Reach.RECENT}:
            log.info("Chatwoot was restored, moved or is read another way: everything is compared once more.")
            return Everything()
        return changed

    def _check_first_load(self, krayin: OpenKrayin, *, dry_run: bool) -> list[str]:
        """Return in words the workflows that keep a first load waiting; raise unless it only plans."""
        workflows = unconfirmed(krayin.client.workflows(), self.settings.confirmed_workflows)
        waiting = {workflow.id: described(workflow) for workflow in workflows}
        if waiting and not dry_run:
            raise WorkflowsNotConfirmedError(self.settings.name, waiting)
        return list(waiting.values())

    def _watermark(self, connection: psycopg.Connection, identity: Identity) -> tuple[Any, ...] | None:
        return connection.execute(
            statement("plan/watermark_read"),
            {"sync_name": self.settings.name, "stream": STREAM, **identity.parameters()},
        ).fetchone()

    def _move_watermark(
        self, connection: psycopg.Connection, identity: Identity, mark: Mark, run_id: int
    ) -> None:
        connection.execute(
            statement("plan/watermark_move"),
            {
                "sync_name": self.settings.name,
                "stream": STREAM,
                **identity.parameters(),
                "mark": Jsonb(mark.to_json()),
                "settings_hash": self.settings.contents_hash(),
                "run_id": run_id,
            },
        )

    def _load(self, connection: psycopg.Connection, run: Run, seconds: float | None) -> None:
        if not self.settings.enabled:
            update_run(connection, run.id, RunState.DONE, self._totals(connection, run.id))
            return
        started = datetime.now(UTC)
        with self.opened(connection, run.id, LANES[run.kind]) as (krayin, targets):
            loader = self._loader(connection, krayin, targets, run, seconds)
            loader.on_progress = partial(self._progress, connection, run, started)
            try:
                loaded = loader.run()
            except RunStoppedError as stopped:
                summary = {**loader.loaded.to_json(), **self._totals(connection, run.id)}
                update_run(connection, run.id, RunState.STOPPED, summary, str(stopped))
                raise
        written = self._written_back(connection, run, krayin.target_id)
        update_run(
            connection,
            run.id,
            RunState.DONE,
            {
                **loaded.to_json(),
                **written,
                **self._totals(connection, run.id),
                "elapsed_seconds": _since(started),
            },
        )

    def _written_back(self, connection: psycopg.Connection, run: Run, target_id: int) -> dict[str, Any]:
        """Write ids back to Chatwoot; runs for webhooks leave it to the next scheduled one."""
        attribute = self.settings.write_back_attribute
        if attribute is None or self.write_back is None or run.kind is RunKind.EVENTS:
            return {}
        with self.write_back() as session:
            return {
                "write_back": WriteBack(connection, session, self.settings.name, target_id, attribute).run()
            }

    def _loader(
        self,
        connection: psycopg.Connection,
        krayin: OpenKrayin,
        targets: LeadTargets,
        run: Run,
        seconds: float | None,
    ) -> Loader:
        lowest = lowest_lane(LANES[run.kind])
        ledger = Ledger(connection, krayin.target_id, worker_name(), self.timing, lowest=lowest)
        store = MappingStore(connection)
        reads = CrmReads(krayin.client, kinds_with_custom(krayin.catalogue))
        snapshot = PersonSnapshot(
            connection, krayin.client, krayin.target_id, self.settings.default_phone_region
        )
        contacts = ContactWriter(
            client=krayin.client,
            ledger=ledger,
            store=store,
            reads=reads,
            snapshot=snapshot,
            catalogue=krayin.catalogue,
            targets=targets,
            settings=self.settings,
            timing=self.timing,
        )
        companies = OrganizationWriter(
            client=krayin.client,
            ledger=ledger,
            store=store,
            reads=reads,
            catalogue=krayin.catalogue,
            settings=self.settings,
        )
        marks = ActivityMarks(connection, krayin.client, krayin.target_id, run.sync_name, self.timing)
        activities = ActivityWriter(
            client=krayin.client,
            ledger=ledger,
            store=store,
            marks=marks,
            settings=self.settings,
            timing=self.timing,
        )
        stages = StageWriter(
            client=krayin.client,
            ledger=ledger,
            store=store,
            reads=reads,
            catalogue=krayin.catalogue,
            targets=targets,
            settings=self.settings,
            timing=self.timing,
        )
        retirements = RetirementWriter(
            connection=connection,
            client=krayin.client,
            ledger=ledger,
            reads=reads,
            snapshot=snapshot,
            catalogue=krayin.catalogue,
            settings=self.settings,
        )
        return Loader(
            ledger=ledger,
            reads=reads,
            writers={
                "contact": WithRetirements(contacts, retirements),
                "company": companies,
                "conversation": WithRetirements(activities, retirements),
                "message": WithRetirements(activities, retirements),
                "stage": stages,
            },
            at_rest=marks.make,
            sync_name=run.sync_name,
            requests_per_minute=krayin.requests_per_minute,
            seconds=seconds,
            timing=self.timing,
        )

    def _progress(self, connection: psycopg.Connection, run: Run, started: datetime, loaded: Loaded) -> None:
        pace = int(run.summary.get("requests_per_minute") or 60)
        done = sum(loaded.ended.values())
        totals = self._totals(connection, run.id)
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
            connection,
            run.id,
            RunState.LOADING,
            {
                **loaded.to_json(),
                **totals,
                "done": done,
                "remaining_seconds": seconds,
                "elapsed_seconds": _since(started),
            },
        )

    @staticmethod
    def _totals(connection: psycopg.Connection, run_id: int) -> dict[str, int]:
        return count_calls(connection, run_id)


def mapping_rules(
    settings: SyncSettings, krayin: OpenKrayin, targets: LeadTargets, now: datetime
) -> MappingRules:
    """Return the rules by which this sync's contacts are mapped for this Krayin; `now` is aware."""
    return MappingRules(
        phone_region=settings.default_phone_region,
        skip_blocked=settings.skip_blocked,
        skip_phone_only=settings.phone_only_contacts == "skip" and krayin.catalogue.email_required(),
        link_organizations=settings.sync_to_organization,
        history_start=settings.history_start(now),
        custom_fields=settings.custom_fields.model_dump(),
        custom_types=targets.custom_types,
    )


def kinds_with_custom(catalogue: Catalogue) -> tuple[EntityType, ...]:
    """Return the kinds of records that have custom attributes, which Krayin's lists do not show."""
    kinds: tuple[EntityType, ...] = ("persons", "leads", "organizations")
    return tuple(kind for kind in kinds if catalogue.custom_attributes(kind))


def _forecast(*, before: int, left: int, load: int, requests_per_minute: int) -> dict[str, int]:
    """Return the forecast for `sync_run.summary`.

    `before` are the calls of planning, `load` those of carrying the plan out, `left` those that
    are still to be made from now on.
    """
    return {
        "forecast_calls": before + load,
        "forecast_load_calls": load,
        "forecast_seconds": round(left * 60 / requests_per_minute),
        "requests_per_minute": requests_per_minute,
    }


def worker_name() -> str:
    """Return a name that no other worker on any machine has."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def _moves_watermark(request: RunRequest) -> bool:
    named = request.contact_ids or request.window or request.sweep_id is not None
    return not (request.dry_run or named or request.kind is RunKind.BACKFILL)


def _since(started: datetime) -> float:
    return round((datetime.now(UTC) - started).total_seconds(), 1)


@contextmanager
def failing_run(connection: psycopg.Connection, run_id: int) -> Iterator[None]:
    """Note on the run why it failed, unless the sync database itself is the reason."""
    try:
        yield
    except RunStoppedError:
        raise
    except Exception as error:
        # Why the sync database itself fails is not to be hidden by its failing once more.
        if not isinstance(error, psycopg.OperationalError):
            with suppress(psycopg.OperationalError):
                update_run(connection, run_id, RunState.FAILED, message=str(error))
        raise


def log_plan(summary: Mapping[str, Any], *, dry_run: bool) -> None:
    """Write what a plan holds to the log."""
    if summary.get("first_load"):
        log.info("This is the first load of the sync; the forecast below is what it will take.")
    for workflow in summary.get("mailing_workflows", ()):
        log.warning("The first load waits: Krayin workflow %s is not confirmed", workflow)
    log.info(
        "%s: %d contacts read, %d unchanged, %s; about %d calls, %s at %d calls a minute",
        "Dry run, nothing is sent" if dry_run else "Planned",
        summary["read"],
        summary["unchanged"],
        ", ".join(f"{number} to {action}" for action, number in summary["planned"].items())
        or "nothing to do",
        summary["forecast_calls"],
        spoken(summary["forecast_seconds"]),
        summary["requests_per_minute"],
    )
    for reason, number in summary["skipped"].items():
        log.info("Skipped %d contacts: %s", number, reason)
    if summary["held"]:
        log.warning(
            "%d of them %s: more than max_changes_without_approval",
            summary["held"],
            "would wait for approval" if dry_run else "wait for approval",
        )
    for reason, number in summary["planned_quarantine"].items():
        log.warning("Quarantined %d contacts: %s", number, reason)
