"""How each stream lies in Chatwoot's tables: what must be there, and what becomes of a row.

The statements of a stream stand in `include/sql/<stream>.sql`: `ids` chooses records, `rows` reads them,
`checksums` sums them up, `exist` looks keys up. What was written since is found by those of `written.sql`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chatwoot.database import rows
from chatwoot.records import ENOUGH_LETTERS, LETTERS, RECENT, RECENT_LETTERS, WHOLE, WHOLE_LETTERS
from chatwoot.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chatwoot.source import Row, SourceFilter

CONTACT_COLUMNS = {
    "accounts": "id name status",
    "inboxes": "id account_id name channel_type",
    "contacts": (
        "id account_id name last_name middle_name email phone_number identifier contact_type blocked "
        "location country_code additional_attributes custom_attributes last_activity_at created_at "
        "updated_at"
    ),
    "contact_inboxes": "contact_id inbox_id source_id",
    "tags": "id name",
    "taggings": "tag_id taggable_type taggable_id context",
}
CONVERSATION_COLUMNS = {
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
# By what the owner of a record in Krayin is told.
AGENT_COLUMNS = {"users": "email"}
# Not every Chatwoot 4 has these: the statements take an absent one for NULL. The second says what the
# first is a number of.
LATER_COLUMNS = {"conversations": "assignee_agent_bot_id ai_assignee_type"}
# Where a write shows that a record changed.
_CONTACT_TABLES = ("contacts", "contact_inboxes", "taggings")
_CONVERSATION_TABLES = ("conversations", "messages", "attachments", "contact_inboxes")


@dataclass(frozen=True, slots=True)
class TableStream:
    """A stream in Chatwoot's tables.

    Attributes:
        record: what makes a record of a row of its statement `rows`.
        written: the tables whose row versions tell what changed.
        chunk: how many records are read at once where nothing else is said.
        parameters: further ones of its statement `rows`.
    """

    record: Callable[[Any], Row]
    written: tuple[str, ...]
    chunk: int
    parameters: Mapping[str, int] = field(default_factory=dict)


STREAMS = {
    Stream.CONTACTS: TableStream(rows.contact, _CONTACT_TABLES, 2000),
    Stream.CONVERSATIONS: TableStream(
        rows.conversation,
        _CONVERSATION_TABLES,
        500,
        {
            "recent": RECENT,
            "letters": RECENT_LETTERS,
            "whole": WHOLE,
            "whole_letters": WHOLE_LETTERS,
            "enough": ENOUGH_LETTERS,
        },
    ),
    Stream.MESSAGES: TableStream(rows.sent_message, _CONVERSATION_TABLES, 500, {"letters": LETTERS}),
    Stream.PROGRESS: TableStream(rows.progress, _CONVERSATION_TABLES, 2000),
}


def written_tables(stream: Stream, scope: SourceFilter | None) -> tuple[str, ...]:
    """Return the tables whose row versions tell what changed in a stream of a scope."""
    tables = STREAMS[stream].written
    if stream is Stream.CONTACTS and scope is not None and scope.rules_ask_conversations:
        return tuple(dict.fromkeys((*tables, *_CONVERSATION_TABLES)))
    return tables
