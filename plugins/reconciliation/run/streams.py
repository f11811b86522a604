"""The streams of one run: what of each is read, staged and planned, and how far it was read."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from chatwoot.records import Conversation
from chatwoot.source import ByIds, ChangedSince, Everything, ListedIds, Watermark, Window
from psycopg.types.json import Jsonb
from statements import statement

from reconciliation.crm.own_activities import OwnActivities
from reconciliation.extract.checksum_diff import keys_of
from reconciliation.extract.extract import Seen, extract
from reconciliation.extract.staging import StagedActivities
from reconciliation.extract.streams import CONTACTS, CONVERSATIONS, SPECS, Rules, stages_of, streams
from reconciliation.model.activity import ActivityRules, short_name
from reconciliation.plan.activity import ActivityPlanner, ActivitySearch, PlannedActivities
from reconciliation.plan.lead_stage import plan_moves

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    import psycopg
    from chatwoot.source import Row, Selection, SourceFilter, SourceSnapshot
    from chatwoot.streams import Stream
    from krayin.client import KrayinClient

    from reconciliation.extract.streams import StreamSpec
    from reconciliation.model.stages import Pipeline
    from reconciliation.plan.engine import PlanEngine
    from reconciliation.run.request import RunRequest
    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.store.binding_scope import BindingScope

log = logging.getLogger(__name__)


@dataclass(slots=True)
class RunStreams:
    """The streams of one run; `pipeline` is that of the sync's leads."""

    connection: psycopg.Connection
    settings: SyncSettings
    identity: BindingScope
    run_id: int
    request: RunRequest
    pipeline: Pipeline
    seen: Mapping[Stream, Seen] = field(default_factory=lambda: {spec.stream: Seen() for spec in SPECS})
    planned: PlannedActivities = field(default_factory=PlannedActivities)
    returned: frozenset[int] = frozenset()
    """Contacts that were out of scope for a while: what was said with them meanwhile is news as well."""
    looks: dict[str, str] = field(default_factory=dict)
    """How each stream was looked at for what changed."""
    _watermarks: dict[Stream, Watermark] = field(default_factory=dict)

    @property
    def wanted(self) -> tuple[StreamSpec, ...]:
        """The streams that are switched on, beside the contacts."""
        return streams(self.settings)

    def selection(self, spec: StreamSpec, snapshot: SourceSnapshot, scope: SourceFilter) -> Selection:
        """Return what to read of a stream: what the run is asked for, else what changed since the watermark.

        Everything where there is no watermark, or none that still holds.
        """
        selection = self._selection(spec, snapshot, scope)
        if self.request.moves_watermark:
            self._watermarks[spec.stream] = snapshot.watermark(spec.stream, selection, scope)
        if isinstance(selection, ChangedSince):
            self.looks[spec.watermark] = "exact" if selection.exact else "by_index"
        return selection

    def _selection(self, spec: StreamSpec, snapshot: SourceSnapshot, scope: SourceFilter) -> Selection:
        request = self.request
        if request.asked is not None:
            return request.asked
        if request.diff_id is not None:
            return ListedIds(partial(keys_of, self.connection, request.diff_id, spec.stream))
        row = None if request.full else self.watermark(spec)
        if row is None:
            return Everything()
        watermark = Watermark.from_json(row[0])
        if bytes(row[1]) != spec.settings_hash(self.settings):
            why = "the settings or the links to Krayin changed"
        elif not snapshot.tells_since(spec.stream, watermark, scope):
            why = "Chatwoot was restored or moved, or is read in another way"
        else:
            share = self.settings.chatwoot.exact_look_share
            exact = snapshot.looks_exactly(spec.stream, scope, watermark, share)
            if not exact:
                since = f"{watermark.exact.read_at:%Y-%m-%d %H:%M:%S} UTC"
                log.info("Changed %s are found by index; the last exact look was at %s.", spec.stream, since)
            return ChangedSince(watermark, exact=exact)
        log.info("All %s are compared once more: %s.", spec.stream, why)
        return Everything()

    def contacts(
        self, snapshot: SourceSnapshot, scope: SourceFilter, selection: Selection
    ) -> Iterator[Sequence[Row]]:
        """Yield the selected contacts, and for a window those whose conversations lie in it as well."""
        if not (self.wanted and isinstance(selection, Window)):
            yield from snapshot.rows(CONTACTS.stream, scope, selection)
            return
        seen: set[int] = set()
        for chunk in snapshot.rows(CONTACTS.stream, scope, selection):
            seen.update(row.key for row in chunk)
            yield chunk
        talking = {
            row.contact_id
            for chunk in snapshot.rows(CONVERSATIONS.stream, scope, selection)
            for row in chunk
            if isinstance(row, Conversation) and row.contact_id is not None
        }
        more = frozenset(talking - seen)
        if more:
            yield from snapshot.rows(CONTACTS.stream, scope, ByIds(more))

    def stage(
        self,
        snapshot: SourceSnapshot,
        scope: SourceFilter,
        now: datetime,
        also: Mapping[Stream, Selection] = MappingProxyType({}),
    ) -> None:
        """Stage what was said; the contacts of the run must be staged already, after `StagedContacts.clear`.

        `also` is what to read besides, by stream.
        """
        if not self.wanted:
            return
        since = self.settings.history_start(now)
        rules = Rules(
            ActivityRules(
                short_name(snapshot.installation),
                self.settings.chatwoot.url,
                since,
                self.settings.zone,
                self.settings.templates.of("conversation", "message"),
                only_resolved=not self.settings.sync_conversations,
                lead_per_inbox=self.settings.leads.per == "inbox",
            ),
            stages_of(self.settings),
            self.pipeline.order,
            self.settings.new_lead_after_close,
        )
        new = self._new_contacts() | self.returned
        for spec in self.wanted:
            seen = self.seen[spec.stream]
            staging = StagedActivities(self.connection, self.identity, self.run_id, spec, rules)
            selection = self.selection(spec, snapshot, scope)
            for one, is_new in self._selections(selection, new, also.get(spec.stream)):
                before = seen.read
                extract(staging, snapshot.rows(spec.stream, scope, one, since=since), seen)
                seen.of_new_contacts += is_new and seen.read - before

    def keep_known(self) -> None:
        """Leave staged conversations as they are in Krayin: what they quote may not have been seen whole."""
        self.connection.execute(
            statement("staged_activity/keep_known"),
            {"run_id": self.run_id, **self.identity.parameters()},
        )

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for `sync_run.summary`, none when nothing is switched on."""
        looks = {"looks": self.looks} if self.looks else {}
        if not self.wanted:
            return looks
        seen = {spec.kind: self.seen[spec.stream] for spec in self.wanted}
        numbers = {
            "activities_read": {kind: one.read for kind, one in seen.items() if one.read},
            "activities_of_new_contacts": {
                kind: one.of_new_contacts for kind, one in seen.items() if one.of_new_contacts
            },
            "activities_unchanged": {kind: one.unchanged for kind, one in seen.items() if one.unchanged},
        }
        skipped = sum((one.skipped for one in seen.values()), self.planned.skipped)
        return {**looks, **numbers, **self.planned.to_json(), "activities_skipped": dict(skipped)}

    def plan(self, engine: PlanEngine, client: KrayinClient) -> None:
        """Plan what is staged; see `ActivityPlanner`."""
        if not self.wanted:
            return
        self.planned = ActivityPlanner(
            engine=engine,
            link=self.settings.activity_link,
            search=ActivitySearch(OwnActivities(self.connection, client, self.identity.target_id)),
            recreate_deleted=self.settings.recreate_deleted,
        ).run()
        plan_moves(engine, self.pipeline, self.planned)

    def watermark(self, spec: StreamSpec) -> tuple[Any, ...] | None:
        """Return how far a stream was read and the hash of the settings then, None before its first load."""
        return self.connection.execute(statement("watermark/read"), self._position(spec)).fetchone()

    def move_watermarks(self) -> None:
        """Note how far the streams were read, in the transaction that ends the planning."""
        for spec in (CONTACTS, *self.wanted):
            self.connection.execute(
                statement("watermark/move"),
                {
                    **self._position(spec),
                    "watermark": Jsonb(self._watermarks[spec.stream].to_json()),
                    "settings_hash": spec.settings_hash(self.settings),
                    "run_id": self.run_id,
                },
            )

    def clear(self) -> None:
        """Forget what was staged beside contacts."""
        self.connection.execute(statement("staged_activity/clear"), {"run_id": self.run_id})

    def _selections(
        self, selection: Selection, new: frozenset[int], also: Selection | None
    ) -> Iterator[tuple[Selection, bool]]:
        """Yield what to read of a stream, and whether it is that of contacts who are `new`.

        All that was said with a contact who is new to Krayin, or was left out before, is news.
        """
        if isinstance(selection, ByIds):
            new &= selection.ids
            selection = ByIds(selection.ids - new)
        yield selection, False
        if new and not isinstance(selection, Everything):
            yield ByIds(new), True
        if also is not None:
            yield also, False

    def _new_contacts(self) -> frozenset[int]:
        rows = self.connection.execute(
            statement("staged_contact/new_contacts"), {"run_id": self.run_id, **self.identity.parameters()}
        )
        return frozenset(row[0] for row in rows)

    def _position(self, spec: StreamSpec) -> dict[str, Any]:
        return {"sync_name": self.settings.name, "stream": spec.watermark, **self.identity.parameters()}
