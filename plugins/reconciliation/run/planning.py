"""The first half of a run: read what changed in Chatwoot, and plan what Krayin lacks."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chatwoot.source import Everything
from statements import statement

from reconciliation.crm.workflows import WorkflowsNotConfirmedError, unconfirmed
from reconciliation.extract.checksum_diff import remember
from reconciliation.extract.extract import extract
from reconciliation.extract.look import Look, looking
from reconciliation.extract.merged_contacts import MergeEvidence
from reconciliation.extract.scope_changes import ScopeChanges
from reconciliation.extract.staging import StagedContacts
from reconciliation.extract.streams import CONTACTS
from reconciliation.model.duration import duration
from reconciliation.plan.contact_planner import ContactPlanner
from reconciliation.plan.heirs import Heir, find_heirs, hand_over
from reconciliation.plan.lead_stage import plan_reopenings
from reconciliation.plan.present_records import PlanReads
from reconciliation.plan.preview import Preview
from reconciliation.run.factory import RunFactory
from reconciliation.run.sync_takeover import inherit
from reconciliation.store.binding_scope import register_installation, register_scope
from reconciliation.store.run_rows import LANES, RunState, count_calls, update_run

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    import psycopg
    from chatwoot.source import SourceSnapshot

    from reconciliation.crm.krayin_connection import OpenKrayin
    from reconciliation.run.request import RunRequest
    from reconciliation.run.streams import RunStreams
    from reconciliation.run.sync_run import Sync
    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.store.binding_scope import BindingScope

    AlsoPlanned = Callable[[psycopg.Connection, int], object]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read in Chatwoot and staged.

    `mailing` are the workflows a first load waits for, in words; `doubt` says why the look may not have been
    whole, and then the watermark stays.
    """

    streams: RunStreams
    changes: ScopeChanges
    first: bool
    mailing: list[str]
    moves_watermark: bool
    read_at: datetime
    look: Look
    doubt: str | None
    heirs: list[Heir]


@dataclass(frozen=True, slots=True)
class Planning:
    """The planning of one run of a sync. The connection to the sync database is in autocommit mode."""

    sync: Sync
    connection: psycopg.Connection
    run_id: int
    request: RunRequest

    def run(self, also: AlsoPlanned) -> None:
        """Read and plan; `also` is called in the transaction that ends the planning."""
        if not self._settings.enabled and not self.request.dry_run:
            update_run(
                self.connection,
                self.run_id,
                RunState.PLANNED,
                {"read": 0},
                "the sync is switched off (enabled: false)",
            )
            also(self.connection, self.run_id)
            return
        lane, makes = LANES[self.request.kind], not self.request.dry_run
        with self.sync.opened(self.connection, self.run_id, lane, makes_options=makes) as (krayin, targets):
            parts = RunFactory(self.sync, self.connection, krayin, targets)
            with looking(self.connection, self._settings, self.sync.source) as snapshot:
                preview = None
                if self.request.previews:
                    preview = Preview(rules=parts.mapping_rules(snapshot), policies=parts.rules().policies)
                read = self._read(parts, snapshot, preview)
            summary = self._plan(parts, read, preview, also)
        _log_plan(summary, dry_run=self.request.dry_run)

    @property
    def _settings(self) -> SyncSettings:
        return self.sync.settings

    # --- Chatwoot -----------------------------------------------------------------------------

    def _read(self, parts: RunFactory, snapshot: SourceSnapshot, preview: Preview | None) -> _Read:
        request, settings = self.request, self._settings
        installation = register_installation(self.connection, snapshot.installation)
        identity = register_scope(
            self.connection, parts.krayin.target_id, installation, settings.chatwoot.account_id
        )
        scope = self.sync.scope
        snapshot.check(scope)
        look = Look.begin(self.connection, settings, identity, snapshot)
        if self.sync.existing is not None and not request.dry_run:
            inherit(self.connection, identity, settings.name, self.sync.existing)
        streams = parts.streams(identity, self.run_id, request)
        first = streams.watermark(CONTACTS) is None
        mailing = self._check_first_load(parts.krayin) if first else []
        selection = streams.selection(CONTACTS, snapshot, scope)
        staged = StagedContacts(
            self.connection,
            identity,
            self.run_id,
            parts.mapping_rules(snapshot) if preview is None else preview.rules,
            settings.new_lead_after_close,
        )
        if preview is not None:
            staged = replace(staged, told=preview.mapped)
        staged.clear()
        reads_all = isinstance(selection, Everything)
        changes = ScopeChanges(
            self.connection, settings.name, identity, scope.where is not None, reads_all=reads_all
        )
        seen = streams.seen[CONTACTS.stream]
        contacts = changes.watching(streams.contacts(snapshot, scope, selection))
        extract(staged, look.watching(contacts), seen)
        staged.analyze(seen.staged)
        if preview is not None:
            preview.leave_out(self._missing(snapshot, request.contact_ids - preview.records.keys()))
        streams.returned = frozenset(changes.returned)
        streams.stage(snapshot, scope, datetime.now(UTC))
        heirs = []
        if look.is_whole and not first:
            heirs = find_heirs(self.connection, identity, self.run_id, snapshot)
        doubt = None
        if request.moves_watermark:
            MergeEvidence(self.connection, identity, snapshot).remember()
            if reads_all and scope.where is None:
                look.counted(CONTACTS.stream, seen.read)
            look.count(scope)
            doubt = look.judge()
        moves = request.moves_watermark and doubt is None
        return _Read(streams, changes, first, mailing, moves, snapshot.read_at, look, doubt, heirs)

    def _missing(self, snapshot: SourceSnapshot, contact_ids: Collection[int]) -> dict[int, str]:
        """Return why contacts did not come that were asked for."""
        scope = self.sync.scope
        left = (("contacts.where", scope.where), ("chatwoot.inboxes", scope.inboxes))
        out_of_scope = " or ".join(name for name, rule in left if rule is not None) or "it cannot be read"
        there = snapshot.there(CONTACTS.stream, scope, sorted(contact_ids)) if contact_ids else set()
        return {one: out_of_scope if one in there else "it is not in Chatwoot" for one in contact_ids}

    def _check_first_load(self, krayin: OpenKrayin) -> list[str]:
        """Return in words the workflows that keep a first load waiting; raise unless it only plans."""
        waiting = unconfirmed(krayin.client, self._settings.confirmed_workflows)
        if waiting and not self.request.dry_run:
            raise WorkflowsNotConfirmedError(self._settings.name, waiting)
        return list(waiting.values())

    # --- the plan -----------------------------------------------------------------------------

    def _plan(
        self, parts: RunFactory, read: _Read, preview: Preview | None, also: AlsoPlanned
    ) -> dict[str, Any]:
        """Plan what is staged, keep the run's summary and return it."""
        request, streams, identity = self.request, read.streams, read.streams.identity
        client, dry_run = parts.krayin.client, request.dry_run
        unlinked = self._anything_unlinked(identity)
        if unlinked:
            parts.snapshot_of_persons().refresh()
        if not read.look.is_whole:
            streams.keep_known()
        with parts.planning(identity, self.run_id, request, read.read_at) as engine:
            hand_over(engine.connection, identity, read.heirs)
            reads = PlanReads(client, parts.krayin.catalogue, exact=dry_run)
            planned = ContactPlanner(engine, parts.rules(), reads).run(preview)
            streams.plan(engine, client)
            plan_reopenings(engine)
            if preview is not None:
                preview.finish(engine, self._settings, parts.targets, parts.krayin.catalogue)
            forecast = parts.forecast(engine)
            held = engine.guard.awaiting_approval()
        with self.connection.transaction():
            also(self.connection, self.run_id)
            if request.diff_id is not None and not dry_run:
                remember(self.connection, request.diff_id, self._settings.name, identity)
            if read.moves_watermark:
                streams.move_watermarks()
            if not dry_run:
                read.look.note(whole=read.moves_watermark)
                read.changes.note()
            streams.clear()
            self.connection.execute(statement("staged_contact/clear"), {"run_id": self.run_id})
            spent = count_calls(self.connection, self.run_id)["calls"]
            # A run to be carried out reads the workflows and the newest persons again.
            before = int(read.first) + int(unlinked) if dry_run else spent
            summary = {
                **streams.seen[CONTACTS.stream].to_json(),
                **planned.to_json(),
                **streams.to_json(),
                **({"out_of_scope": read.changes.count()} if read.changes.has_rule else {}),
                **self._left_leads(identity),
                "held": held,
                "calls": spent,
                "first_load": read.first,
                "mailing_workflows": read.mailing,
                **forecast.to_json(before, dry_run=dry_run),
            }
            update_run(self.connection, self.run_id, RunState.PLANNED, summary, read.doubt)
        return summary

    def _left_leads(self, identity: BindingScope) -> dict[str, int]:
        """Return how many leads for further inboxes are left as they are, where a contact has but one."""
        if self._settings.leads.per == "inbox":
            return {}
        row = self.connection.execute(
            statement("mapping/further_in_krayin"), identity.parameters()
        ).fetchone()
        return {"leads_out_of_scope": row[0]} if row and row[0] else {}

    def _anything_unlinked(self, identity: BindingScope) -> bool:
        """Tell whether a staged contact has no person in Krayin through us yet."""
        row = self.connection.execute(
            statement("staged_contact/unlinked"), {"run_id": self.run_id, **identity.parameters()}
        ).fetchone()
        return bool(row and row[0])


def _log_plan(summary: Mapping[str, Any], *, dry_run: bool) -> None:
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
        duration(summary["forecast_seconds"]),
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
