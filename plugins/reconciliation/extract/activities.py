"""Maps conversations, messages and their progress, and keeps what differs from what was last planned."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from chatwoot.records import BrokenRow
from statements import statement

from reconciliation.mapping.activity import map_conversation, map_message
from reconciliation.mapping.desired_activity import CONVERSATION, MESSAGE, ActivitySkip, DesiredActivity
from reconciliation.mapping.stages import Milestone, qualified_stages
from reconciliation.values.hashing import stable_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import psycopg
    from chatwoot.conversations import Conversation, Progress, SentMessage

    from reconciliation.binding_scope import BindingScope
    from reconciliation.mapping.activity import ActivityRules
    from reconciliation.settings.sync_settings import SyncSettings

Row = TypeVar("Row", bound="Conversation | SentMessage | Progress")

STAGE = "stage"


@dataclass(slots=True)
class StreamsRead:
    """What a reading of conversations and messages saw, by kind; numbers only.

    `brought_along` are those among `read` that were read because their contact is new to Krayin.
    """

    read: Counter[str] = field(default_factory=Counter)
    brought_along: Counter[str] = field(default_factory=Counter)
    unchanged: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for `sync_run.summary`."""
        return {
            "activities_read": dict(self.read),
            "activities_of_new_contacts": dict(self.brought_along),
            "activities_unchanged": dict(self.unchanged),
            "activities_skipped": dict(self.skipped),
        }


@dataclass(frozen=True, slots=True)
class StageRules:
    """The stages that conversations qualify a lead for, by milestone, and the order of the pipeline's stages.

    With `follow` a closed lead may be followed by a new one, for which only what is qualified afterwards
    counts: then all that was qualified is noted, and any news of it makes a difference.
    """

    stages: Mapping[Milestone, int]
    order: Sequence[int]
    follow: bool

    def document(self, progress: Progress) -> dict[str, Any] | None:
        """Return what is planned for a contact that came so far, None if it qualified for nothing."""
        qualified = [
            {
                "stage_id": one.stage_id,
                "milestone": str(one.milestone),
                "reached_at": one.reached_at.isoformat(),
            }
            for one in qualified_stages(progress, self.stages, self.order)
        ]
        if not qualified:
            return None
        # The name it was always stored under: another would change the hash of what is unchanged.
        return {**qualified[-1], "earned": qualified} if self.follow else qualified[-1]


def stages_of(settings: SyncSettings) -> dict[Milestone, int]:
    """Return the stages that the settings name, by milestone."""
    named = {
        Milestone.CREATED: settings.stage_on_conversation_created,
        Milestone.FIRST_RESPONSE: settings.stage_on_first_response,
        Milestone.RESOLVED: settings.stage_on_conversation_resolved,
    }
    return {milestone: stage for milestone, stage in named.items() if stage is not None}


@dataclass(frozen=True, slots=True)
class _Staged:
    contact_id: int
    hash: bytes
    document: Callable[[], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ActivityStage:
    """Stages what a run read and differs from what was last planned; memory is bounded by one chunk."""

    connection: psycopg.Connection
    identity: BindingScope
    run_id: int
    rules: ActivityRules
    stage_rules: StageRules
    seen: StreamsRead

    def conversations(self, chunks: Iterable[list[Conversation | BrokenRow]]) -> None:
        """Stage conversations."""
        self._stage(
            CONVERSATION, chunks, partial(self._activity, map_conversation), lambda row: row.display_id
        )

    def messages(self, chunks: Iterable[list[SentMessage | BrokenRow]]) -> None:
        """Stage messages."""
        self._stage(MESSAGE, chunks, partial(self._activity, map_message), lambda row: row.id)

    def progress(self, chunks: Iterable[list[Progress | BrokenRow]]) -> None:
        """Stage the contacts who qualified for another stage."""
        self._stage(STAGE, chunks, self._move, lambda row: row.contact_id)

    def _activity(
        self, mapper: Callable[..., DesiredActivity | ActivitySkip], row: Any, *, mapped: bool
    ) -> _Staged | ActivitySkip:
        desired = mapper(row, self.rules, mapped=mapped)
        if isinstance(desired, ActivitySkip):
            return desired
        return _Staged(desired.contact_id, desired.hash(), desired.to_json)

    def _move(self, row: Progress, *, mapped: bool) -> _Staged | None:  # noqa: ARG002 - as for activities
        document = self.stage_rules.document(row)
        if document is None:
            return None
        return _Staged(row.contact_id, stable_hash(document), lambda: document)

    def _stage(
        self,
        kind: str,
        chunks: Iterable[list[Row | BrokenRow]],
        mapper: Callable[..., _Staged | ActivitySkip | None],
        number: Callable[[Row], int],
    ) -> None:
        for chunk in chunks:
            rows = {str(number(row)): row for row in chunk if not isinstance(row, BrokenRow)}
            self.seen.read[kind] += len(chunk)
            if len(rows) < len(chunk):
                self.seen.skipped[ActivitySkip.UNREADABLE] += sum(isinstance(row, BrokenRow) for row in chunk)
            planned = self._planned(kind, list(rows))
            fresh: dict[str, _Staged] = {}
            for source_id, row in rows.items():
                before = planned.get(source_id)
                wanted = mapper(row, mapped=before is not None)
                if isinstance(wanted, ActivitySkip):
                    self.seen.skipped[wanted] += 1
                elif wanted is not None and wanted.hash == before:
                    self.seen.unchanged[kind] += 1
                elif wanted is not None:
                    fresh[source_id] = wanted
            if fresh:
                self.connection.execute(
                    statement("staged_activity/stage"),
                    {
                        "run_id": self.run_id,
                        "source_kind": kind,
                        "source_ids": list(fresh),
                        "contact_ids": [one.contact_id for one in fresh.values()],
                        "source_hashes": [one.hash for one in fresh.values()],
                        "desired": [json.dumps(one.document(), ensure_ascii=False) for one in fresh.values()],
                    },
                )

    def _planned(self, kind: str, source_ids: list[str]) -> dict[str, bytes]:
        rows = self.connection.execute(
            statement("mapping/activity_hashes"),
            {**self.identity.parameters(), "source_kind": kind, "source_ids": source_ids},
        )
        return {row[0]: bytes(row[1]) for row in rows if row[1] is not None}
