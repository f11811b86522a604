"""Puts together what a run is made of: rules, planners, streams, guard, loader."""

from __future__ import annotations

import os
import socket
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from krayin.endpoints import ENTITY_TYPES
from krayin.text import fold_name

from reconciliation.crm.fields import persons
from reconciliation.crm.lineage import Lineage
from reconciliation.crm.reads import CrmReads
from reconciliation.crm.snapshot import RecordSnapshot
from reconciliation.load.activity import ActivitySink
from reconciliation.load.contact import ContactSink, FurtherLeadSink
from reconciliation.load.lead_stage import LeadStageSink
from reconciliation.load.loader import Loader
from reconciliation.load.organization import OrganizationSink
from reconciliation.load.removal import RemovalSink
from reconciliation.load.sink import LoadContext
from reconciliation.load.still_gone import SourceCheck
from reconciliation.model.contact import MappingRules
from reconciliation.model.lead_choices import LeadChoices
from reconciliation.model.owner import OwnerRules, users_by_email
from reconciliation.plan.contact import Rules
from reconciliation.plan.engine import PlanEngine
from reconciliation.plan.estimate import forecast
from reconciliation.plan.guard import ChangeGuard
from reconciliation.run.streams import RunStreams
from reconciliation.settings.by_inbox import given_in
from reconciliation.settings.targets import final_stages, missing_users, pipeline_of
from reconciliation.store.connection import connect
from reconciliation.store.ledger import Ledger, lowest_lane
from reconciliation.store.mapping_store import MappingStore
from reconciliation.store.run_rows import LANES, RunKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import psycopg
    from chatwoot.source import SourceSnapshot
    from krayin.endpoints import EntityType
    from krayin.records import Named, Person

    from reconciliation.crm.krayin_connection import OpenKrayin
    from reconciliation.plan.estimate import Forecast
    from reconciliation.run.request import RunRequest
    from reconciliation.run.sync_run import Sync
    from reconciliation.settings.targets import LeadTargets
    from reconciliation.store.binding_scope import BindingScope
    from reconciliation.store.run_rows import Run


@dataclass(frozen=True, slots=True)
class RunFactory:
    """What one run of a sync is made of, with an open Krayin; `targets` are where new leads go."""

    sync: Sync
    connection: psycopg.Connection
    krayin: OpenKrayin
    targets: LeadTargets

    @property
    def with_custom(self) -> tuple[EntityType, ...]:
        """The kinds of records that have custom attributes, which Krayin's lists do not show."""
        return self.krayin.attributes.with_custom

    def mapping_rules(self, snapshot: SourceSnapshot) -> MappingRules:
        """Return the rules by which this sync's contacts are mapped for this Krayin now."""
        settings = self.sync.settings
        return MappingRules(
            phone_region=settings.default_phone_region,
            skip_blocked=settings.skip_blocked,
            skip_phone_only=settings.phone_only_contacts == "skip"
            and self.krayin.catalogue.email_required()
            and not self.krayin.client.takes_no_email(self.snapshot_of_persons().anybody_has_an_email),
            link_organizations=settings.sync_to_organization,
            history_start=settings.history_start(datetime.now(UTC)),
            zone=settings.zone,
            templates=settings.templates.of("lead"),
            make_leads=settings.leads.create != "never",
            lead_rule=settings.leads.shown,
            owners=self._owners(),
            lead_choices=self._lead_choices(snapshot),
            tag_kinds=settings.tags.kinds,
            tag_names=settings.tags.labels,
            fields=self.targets.fields,
            inboxes=self._inboxes(snapshot) if settings.leads.per == "inbox" else None,
        )

    def _inboxes(self, snapshot: SourceSnapshot) -> dict[int, str]:
        return {one.id: one.name for one in snapshot.inboxes(self.sync.settings.chatwoot.account_id)}

    def _owners(self) -> OwnerRules | None:
        owner = self.sync.settings.owner
        if not owner.chooses:
            return None
        catalogue = self.krayin.catalogue
        emails = users_by_email(catalogue.users) if owner.assignee else None
        missing = frozenset(missing_users(owner.round_robin, catalogue))
        return OwnerRules(emails, owner.teams, owner.inboxes, owner.round_robin, missing)

    def _lead_choices(self, snapshot: SourceSnapshot) -> LeadChoices | None:
        leads, catalogue = self.sync.settings.leads, self.krayin.catalogue
        if not leads.asks_inboxes:
            return None
        inboxes = snapshot.inboxes(self.sync.settings.chatwoot.account_id)
        return LeadChoices(
            {
                "source": given_in(inboxes, "leads.source", leads.source.by_inbox, leads.source.by_channel),
                "type": given_in(inboxes, "leads.type", leads.type.by_inbox, leads.type.by_channel),
            },
            given_in(inboxes, "leads.stage", leads.stage.by_inbox, leads.stage.by_channel),
            {stage.id: one.id for one in catalogue.pipelines for stage in one.stages},
            {
                "source": None if leads.source.create_missing else _folded(catalogue.sources),
                "type": None if leads.type.create_missing else _folded(catalogue.types),
            },
        )

    def snapshot_of_persons(self) -> RecordSnapshot[Person]:
        """Return what is remembered of Krayin's persons."""
        listing = persons(self.sync.settings.default_phone_region)
        return RecordSnapshot(self.connection, self.krayin.client, self.krayin.target_id, listing)

    def guard(
        self, identity: BindingScope, run_id: int, connection: psycopg.Connection | None = None
    ) -> ChangeGuard:
        """Return what holds a plan back that would change too much; a `connection` is that of a dry run."""
        return ChangeGuard(
            connection=connection or self.connection,
            identity=identity,
            sync_name=self.sync.settings.name,
            run_id=run_id,
            limits=self.sync.settings.max_changes_without_approval,
            removal_limits=self.sync.settings.max_removals_without_approval,
            requests_per_minute=self.krayin.requests_per_minute,
            with_custom=self.with_custom,
            dry_run=connection is not None,
        )

    @contextmanager
    def planning(
        self, identity: BindingScope, run_id: int, request: RunRequest, read_at: datetime
    ) -> Iterator[PlanEngine]:
        """Give where a run plans; of a dry run nothing is kept.

        `read_at` is when Chatwoot was read by its own clock.
        """
        name, lane = self.sync.settings.name, LANES[request.kind]
        if not request.dry_run:
            guard = self.guard(identity, run_id)
            yield PlanEngine(self.connection, identity, run_id, name, lane, read_at, guard)
            return
        # One transaction around everything: what one chunk plans must be seen by the next, then be gone.
        # It has a connection of its own, because the audit of the calls made meanwhile must stay.
        with connect(self.sync.sync_dsn) as apart, apart.transaction(force_rollback=True):
            guard = self.guard(identity, run_id, apart)
            yield PlanEngine(apart, identity, run_id, name, lane, read_at, guard)

    def rules(self) -> Rules:
        """Return what decides what becomes of a contact in this Krayin now."""
        settings, catalogue = self.sync.settings, self.krayin.catalogue
        return Rules(
            on_crm_edit=settings.on_crm_edit,
            phone_region=settings.default_phone_region,
            email_demand=catalogue.email_demand(self.krayin.client.dialect.takes_no_email),
            pipeline_id=self.targets.pipeline_id,
            final_stages=final_stages(catalogue),
            recreate_deleted=settings.recreate_deleted,
            per_inbox=settings.leads.per == "inbox",
            policies={kind: settings.policies(kind) for kind in ENTITY_TYPES},
            lasting=frozenset(
                code
                for code, one in self.targets.fields["organization"].items()
                if not one.type.can_be_emptied
            ),
        )

    def forecast(self, engine: PlanEngine) -> Forecast:
        """Return what carrying out takes that waits for this sync now, as a planning sees it."""
        return forecast(
            engine.connection,
            engine.identity.target_id,
            engine.sync_name,
            self.krayin.requests_per_minute,
            self.with_custom,
            lowest=lowest_lane(engine.lane),
        )

    def streams(self, identity: BindingScope, run_id: int, request: RunRequest) -> RunStreams:
        """Return what reads the streams of a run, and plans those that hang on the contacts."""
        pipeline = pipeline_of(self.targets, self.krayin.catalogue)
        return RunStreams(self.connection, self.sync.settings, identity, run_id, request, pipeline)

    def loader(self, run: Run, seconds: float | None) -> Loader:
        """Return what carries out the plans of this sync, for at most `seconds`."""
        sync, krayin = self.sync, self.krayin
        ledger = Ledger(
            self.connection,
            krayin.target_id,
            _worker_name(),
            sync.timing,
            lowest=lowest_lane(LANES[run.kind]),
            must_wait=lambda operation, removes: self.guard(
                operation.identity, run.id
            ).require_approval_of_claimed(operation, removes),
        )
        lineage = Lineage(self.connection, krayin.client, krayin.target_id)
        lineage.begin()
        if run.kind is not RunKind.EVENTS:
            krayin.attributes.expire()
        context = LoadContext(
            connection=self.connection,
            client=krayin.client,
            target_id=krayin.target_id,
            ledger=ledger,
            store=MappingStore(self.connection),
            reads=CrmReads(krayin.client, krayin.attributes, lineage=lineage),
            snapshot=self.snapshot_of_persons(),
            lineage=lineage,
            catalogue=krayin.catalogue,
            targets=self.targets,
            settings=sync.settings,
            timing=sync.timing,
        )
        activities, contacts = ActivitySink(context), ContactSink(context)
        source = SourceCheck(self.connection, sync.settings, sync.source)
        return Loader(
            ledger=ledger,
            reads=context.reads,
            sinks={
                "contact": contacts,
                "company": OrganizationSink(context),
                "conversation": activities,
                "message": activities,
                "lead": FurtherLeadSink(context, contacts),
                "stage": LeadStageSink(context),
                "removal": RemovalSink(context, source, krayin.deletions),
            },
            on_idle=activities.marks.make,
            sync_name=run.sync_name,
            requests_per_minute=krayin.requests_per_minute,
            seconds=seconds,
            timing=sync.timing,
        )


def _folded(named: Iterable[Named]) -> frozenset[str]:
    return frozenset(fold_name(one.name) for one in named)


def _worker_name() -> str:
    # No other worker on any machine has it.
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
