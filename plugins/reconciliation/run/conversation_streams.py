"""The part of a run that concerns what was said; nothing of it runs unless switched on."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from chatwoot.checksums import Stream
from chatwoot.records import BrokenRow
from chatwoot.source import ByIds, ChangedSince, Everything, ListedIds, Watermark, Window
from psycopg.types.json import Jsonb
from statements import statement

from reconciliation.crm.own_activities import OwnActivities
from reconciliation.extract.activities import ActivityStage, StageRules, StreamsRead, stages_of
from reconciliation.extract.checksum_diff import keys_of
from reconciliation.mapping.activity import ActivityRules, short_name
from reconciliation.plan.activity import ActivityPlanner, ActivitySearch, PlannedActivities
from reconciliation.plan.lead_stage import plan_moves
from reconciliation.values.hashing import stable_hash

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    import psycopg
    from chatwoot.records import Contact
    from chatwoot.source import Selection, SourceFilter, SourceSnapshot
    from krayin.client import KrayinClient

    from reconciliation.binding_scope import BindingScope
    from reconciliation.plan.engine import PlanEngine
    from reconciliation.settings.sync_settings import SyncSettings

log = logging.getLogger(__name__)

CONVERSATIONS = "conversations"
MESSAGES = "messages"
STAGES = "stages"
COMPARED_STREAMS = {
    CONVERSATIONS: Stream.CONVERSATIONS,
    MESSAGES: Stream.MESSAGES,
    STAGES: Stream.PROGRESS,
}
"""What a diff compares for each stream."""


def streams(settings: SyncSettings) -> tuple[str, ...]:
    """Return the streams that the settings switch on, beside the contacts."""
    wanted = {
        CONVERSATIONS: settings.sync_conversations,
        MESSAGES: settings.sync_messages,
        STAGES: settings.stage_progression_enabled and bool(stages_of(settings)),
    }
    return tuple(stream for stream, on in wanted.items() if on)


def settings_hash(settings: SyncSettings, stream: str) -> bytes:
    """Return a hash of the settings that decide what a stream turns into."""
    inboxes = settings.chatwoot.inboxes
    deciding: dict[str, Any] = {
        "stream": stream,
        "history": settings.model_dump(mode="json", include={"history"})["history"],
        "inboxes": sorted(set(inboxes)) if inboxes else None,
    }
    if stream == STAGES:
        deciding |= {
            "stages": {str(milestone): stage for milestone, stage in stages_of(settings).items()},
            "pipeline": settings.lead_pipeline_id,
        }
        if settings.new_lead_after_close:
            deciding["follow"] = True
    else:
        deciding |= {"link": settings.activity_link, "url": settings.chatwoot.url}
    return stable_hash(deciding)


@dataclass(slots=True)
class ConversationStreams:
    """Reads and plans what was said, after the contacts of the same snapshot.

    `asked` is the selection of a run for certain contacts or a window, None for a run that goes on
    from its watermarks; `full` compares everything, `diff_id` what that diff found to differ.
    `order` are the stages of the sync's pipeline.
    """

    connection: psycopg.Connection
    settings: SyncSettings
    identity: BindingScope
    run_id: int
    asked: ByIds | Window | None
    full: bool = False
    order: Sequence[int] = ()
    diff_id: int | None = None
    seen: StreamsRead = field(default_factory=StreamsRead)
    planned: PlannedActivities = field(default_factory=PlannedActivities)

    @property
    def is_on(self) -> bool:
        """Whether anything beside contacts is wanted."""
        return bool(streams(self.settings))

    def contacts(
        self, snapshot: SourceSnapshot, scope: SourceFilter, selection: Selection
    ) -> Iterator[list[Contact | BrokenRow]]:
        """Yield the selected contacts, and for a window those whose conversations lie in it as well."""
        if not (self.is_on and isinstance(selection, Window)):
            yield from snapshot.contacts(scope, selection)
            return
        seen: set[int] = set()
        for chunk in snapshot.contacts(scope, selection):
            seen.update(row.id for row in chunk)
            yield chunk
        talking = {
            row.contact_id
            for chunk in snapshot.conversations(scope, selection)
            for row in chunk
            if not isinstance(row, BrokenRow) and row.contact_id is not None
        }
        more = frozenset(talking - seen)
        if more:
            yield from snapshot.contacts(scope, ByIds(more))

    def stage(
        self,
        snapshot: SourceSnapshot,
        scope: SourceFilter,
        now: datetime,
        also: Mapping[str, Selection] = MappingProxyType({}),
    ) -> None:
        """Stage what was said; the contacts of the run must be staged already.

        `also` is what to read besides, by stream.
        """
        self.clear()
        if not self.is_on:
            return
        since = self.settings.history_start(now)
        stage = ActivityStage(
            self.connection,
            self.identity,
            self.run_id,
            ActivityRules(short_name(snapshot.installation), self.settings.chatwoot.url, since),
            StageRules(stages_of(self.settings), self.order, self.settings.new_lead_after_close),
            self.seen,
        )
        new = self._new_contacts()
        for stream in streams(self.settings):
            for one, is_new in self._selections(stream, new, also.get(stream)):
                before = Counter(self.seen.read)
                if stream == CONVERSATIONS:
                    stage.conversations(snapshot.conversations(scope, one, since=since))
                elif stream == MESSAGES:
                    stage.messages(snapshot.messages(scope, one, since=since))
                else:
                    stage.progress(snapshot.progress(scope, one, since=since))
                if is_new:
                    self.seen.brought_along.update(self.seen.read - before)

    def keep_known(self) -> None:
        """Leave staged conversations as they are in Krayin: what they quote may not have been seen whole."""
        self.connection.execute(
            statement("staged_activity/keep_known"),
            {"run_id": self.run_id, **self.identity.parameters()},
        )

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for `sync_run.summary`, none when nothing is switched on."""
        if not self.is_on:
            return {}
        skipped = self.seen.skipped + self.planned.skipped
        return {**self.seen.to_json(), **self.planned.to_json(), "activities_skipped": dict(skipped)}

    def plan(self, engine: PlanEngine, client: KrayinClient) -> None:
        """Plan what is staged; see `ActivityPlanner`."""
        if not self.is_on:
            return
        self.planned = ActivityPlanner(
            engine=engine,
            link=self.settings.activity_link,
            search=ActivitySearch(client, OwnActivities(self.connection, client, self.identity.target_id)),
            recreate_deleted=self.settings.recreate_deleted,
        ).run()
        plan_moves(engine, self.order, self.planned)

    def move_watermarks(self, watermark: Watermark) -> None:
        """Note how far the streams were read, in the transaction that ends the planning."""
        for stream in streams(self.settings):
            self.connection.execute(
                statement("watermark/move"),
                {
                    **self._stream(stream),
                    "watermark": Jsonb(watermark.to_json()),
                    "settings_hash": settings_hash(self.settings, stream),
                    "run_id": self.run_id,
                },
            )

    def clear(self) -> None:
        """Forget what was staged."""
        self.connection.execute(statement("staged_activity/clear"), {"run_id": self.run_id})

    def _selections(
        self, stream: str, new: frozenset[int], also: Selection | None
    ) -> Iterator[tuple[Selection, bool]]:
        """Yield what to read of a stream, and whether it is that of contacts who are `new`.

        All that was said with a contact who is new to Krayin, or was left out before, is news.
        """
        selection = self._selection(stream)
        if isinstance(selection, ByIds):
            new &= selection.ids
            selection = ByIds(selection.ids - new)
        yield selection, False
        if new and not isinstance(selection, Everything):
            yield ByIds(new), True
        if also is not None:
            yield also, False

    def _selection(self, stream: str) -> Selection:
        if self.asked is not None:
            return self.asked
        if self.diff_id is not None:
            return ListedIds(partial(keys_of, self.connection, self.diff_id, COMPARED_STREAMS[stream]))
        if self.full:
            return Everything()
        row = self.connection.execute(statement("watermark/read"), self._stream(stream)).fetchone()
        if row is None or bytes(row[1]) != settings_hash(self.settings, stream):
            log.info("All %s are compared: their settings or the links to Krayin changed.", stream)
            return Everything()
        return ChangedSince(Watermark.from_json(row[0]))

    def _new_contacts(self) -> frozenset[int]:
        rows = self.connection.execute(
            statement("staged_contact/new_contacts"), {"run_id": self.run_id, **self.identity.parameters()}
        )
        return frozenset(row[0] for row in rows)

    def _stream(self, stream: str) -> dict[str, Any]:
        return {"sync_name": self.settings.name, "stream": stream, **self.identity.parameters()}
