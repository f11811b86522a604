"""Selects and reads conversations and messages within one transaction on Chatwoot's database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chatwoot.conversations import LETTERS, RECENT, RECENT_LETTERS
from chatwoot.database import conversation_rows
from chatwoot.database.row_versions import XidRange
from chatwoot.source import ByIds, ChangedSince, Everything, ListedIds, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from chatwoot.conversations import Conversation, Progress, SentMessage
    from chatwoot.records import BrokenRow
    from chatwoot.source import ChangeCoverage, Selection, SourceFilter

NEEDED = {
    "conversations": (
        "id account_id display_id inbox_id contact_id status priority assignee_id team_id cached_label_list "
        "custom_attributes additional_attributes first_reply_created_at last_activity_at created_at "
        "updated_at"
    ),
    "messages": (
        "id account_id inbox_id conversation_id message_type content_type content content_attributes "
        "additional_attributes private status sender_type sender_id created_at"
    ),
    "attachments": "id account_id message_id file_type fallback_title extension",
    "active_storage_attachments": "name record_type record_id blob_id",
    "active_storage_blobs": "id filename content_type byte_size",
    "users": "id name display_name",
    "agent_bots": "id name",
    "teams": "id name",
    "reporting_events": "name conversation_id event_end_time",
}
# Not every Chatwoot 4 has these: the statements take an absent one for NULL. The second says what the
# first is a number of.
LATER = {"conversations": "assignee_agent_bot_id ai_assignee_type"}


@dataclass(frozen=True, slots=True)
class ConversationReading:
    """Reads through `fetch` (statement name and parameters to rows) and `ids` (the same, in chunks of ids).

    `unseen` says which transactions a `ChangedSince` must look at, or that it cannot be told.
    """

    fetch: Callable[[str, Mapping[str, Any]], list[Any]]
    ids: Callable[[str, Mapping[str, Any], int], Iterator[list[int]]]
    unseen: Callable[[ChangedSince], XidRange | ChangeCoverage]

    def conversations(
        self, scope: SourceFilter, selection: Selection, since: datetime | None, chunk: int
    ) -> Iterator[list[Conversation | BrokenRow]]:
        """Yield the selected conversations by id, in lists of at most `chunk`, none empty."""
        for ids in self._chosen("conversations", scope, selection, since, chunk):
            found = self.fetch(
                "conversations/rows",
                {
                    "ids": ids,
                    "account_id": scope.account_id,
                    "recent": RECENT,
                    "letters": RECENT_LETTERS,
                },
            )
            if found:
                yield [conversation_rows.conversation(row) for row in found]

    def messages(
        self, scope: SourceFilter, selection: Selection, since: datetime | None, chunk: int
    ) -> Iterator[list[SentMessage | BrokenRow]]:
        """Yield the selected messages by id, in lists of at most `chunk`, none empty."""
        for ids in self._chosen("messages", scope, selection, since, chunk):
            found = self.fetch(
                "messages/rows", {"ids": ids, "account_id": scope.account_id, "letters": LETTERS}
            )
            if found:
                yield [conversation_rows.sent_message(row) for row in found]

    def progress(
        self, scope: SourceFilter, selection: Selection, since: datetime | None, chunk: int
    ) -> Iterator[list[Progress | BrokenRow]]:
        """Yield how far the selected conversations' contacts came, by contact, at most `chunk` at once."""
        inboxes = None if scope.inboxes is None else sorted(scope.inboxes)
        for ids in self._chosen("progress", scope, selection, since, chunk):
            found = self.fetch(
                "progress/rows", {"ids": ids, "account_id": scope.account_id, "inboxes": inboxes}
            )
            if found:
                yield [conversation_rows.progress(row, scope.account_id) for row in found]

    def _chosen(
        self, what: str, scope: SourceFilter, selection: Selection, since: datetime | None, chunk: int
    ) -> Iterator[list[int]]:
        inboxes = None if scope.inboxes is None else sorted(scope.inboxes)
        within = {"account_id": scope.account_id, "inboxes": inboxes}
        if isinstance(selection, ListedIds):
            for keys in selection.chunks():
                found = self.fetch(f"{what}/ids_listed", {**within, "keys": list(keys)})
                yield [row[0] for row in found]
            return
        name, parameters = self._selecting(what, selection, since)
        yield from self.ids(name, {**within, **parameters}, chunk)

    def _selecting(
        self, what: str, selection: Everything | ByIds | Window | ChangedSince, since: datetime | None
    ) -> tuple[str, Mapping[str, Any]]:
        match selection:
            case ByIds(ids):
                return f"{what}/ids_of_contacts", {"contact_ids": sorted(ids)}
            case Window(start, end):
                return f"{what}/ids_in_window", {"start": start, "end": end}
            case ChangedSince():
                unseen = self.unseen(selection)
                if isinstance(unseen, XidRange):
                    return f"{what}/ids_written_since", unseen.parameters
                return f"{what}/ids", {"since": since}
            case Everything():
                return f"{what}/ids", {"since": since}
