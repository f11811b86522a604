"""Maps conversations and messages and keeps those that differ from what was last planned."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from chatwoot.records import BrokenRow
from statements import statement

from reconciliation.mapping.activity import map_conversation, map_message
from reconciliation.mapping.desired_activity import CONVERSATION, MESSAGE, ActivitySkip, DesiredActivity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import psycopg
    from chatwoot.conversations import Conversation, SentMessage

    from reconciliation.binding_scope import BindingScope
    from reconciliation.mapping.activity import ActivityRules

Row = TypeVar("Row", bound="Conversation | SentMessage")


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
class ActivityStage:
    """Stages what a run read; memory is bounded by one chunk."""

    connection: psycopg.Connection
    identity: BindingScope
    run_id: int
    rules: ActivityRules
    seen: StreamsRead

    def conversations(self, chunks: Iterable[list[Conversation | BrokenRow]]) -> None:
        """Stage conversations."""
        for chunk in chunks:
            self._stage(CONVERSATION, chunk, map_conversation, lambda row: row.display_id)

    def messages(self, chunks: Iterable[list[SentMessage | BrokenRow]]) -> None:
        """Stage messages."""
        for chunk in chunks:
            self._stage(MESSAGE, chunk, map_message, lambda row: row.id)

    def _stage(
        self,
        kind: str,
        chunk: list[Row | BrokenRow],
        mapper: Callable[..., DesiredActivity | ActivitySkip],
        number: Callable[[Row], int],
    ) -> None:
        rows = [row for row in chunk if not isinstance(row, BrokenRow)]
        self.seen.read[kind] += len(chunk)
        if len(rows) < len(chunk):
            self.seen.skipped[ActivitySkip.UNREADABLE] += len(chunk) - len(rows)
        planned = self._planned(kind, [str(number(row)) for row in rows])
        fresh: list[tuple[DesiredActivity, bytes]] = []
        for row in rows:
            before = planned.get(str(number(row)))
            desired = mapper(row, self.rules, mapped=before is not None)
            if isinstance(desired, ActivitySkip):
                self.seen.skipped[desired] += 1
                continue
            source_hash = desired.hash()
            if source_hash == before:
                self.seen.unchanged[kind] += 1
            else:
                fresh.append((desired, source_hash))
        if not fresh:
            return
        self.connection.execute(
            statement("plan/activity_stage"),
            {
                "run_id": self.run_id,
                "source_kind": kind,
                "source_ids": [one.source_id for one, _ in fresh],
                "contact_ids": [one.contact_id for one, _ in fresh],
                "source_hashes": [source_hash for _, source_hash in fresh],
                "desired": [json.dumps(one.to_json(), ensure_ascii=False) for one, _ in fresh],
            },
        )

    def _planned(self, kind: str, source_ids: list[str]) -> dict[str, bytes]:
        rows = self.connection.execute(
            statement("plan/activity_hashes"),
            {**self.identity.parameters(), "source_kind": kind, "source_ids": source_ids},
        )
        return {row[0]: bytes(row[1]) for row in rows if row[1] is not None}
