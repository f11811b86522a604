"""From rows of the database to conversations and messages, without ever failing on a row."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chatwoot.conversations import (
    Attachment,
    Author,
    Conversation,
    Message,
    Priority,
    Progress,
    SentMessage,
    Status,
)
from chatwoot.records import BrokenRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_STATUSES = {int(one): one for one in Status}
_PRIORITIES = {int(one): one for one in Priority}
_INCOMING = 0
_INCOMING_EMAIL = 8
_FAILED = 3
_FILE_KINDS = (
    "image", "audio", "video", "file", "location", "fallback", "share", "story_mention", "contact",
    "ig_reel", "ig_post", "ig_story", "embed",
)  # fmt: skip
_AUTHORS = {"User": Author.AGENT, "AgentBot": Author.BOT, "Captain::Assistant": Author.ASSISTANT}


def conversation(row: Any) -> Conversation | BrokenRow:
    """Return the conversation in `row` (attributes named as in `conversations/rows`)."""
    try:
        return Conversation(
            id=row.id,
            account_id=row.account_id,
            display_id=row.display_id,
            contact_id=row.contact_id,
            earlier_ids=tuple(row.earlier_ids or ()),
            status=_STATUSES.get(row.status),
            priority=_PRIORITIES.get(row.priority),
            created_at=_time(row.created_at, "created_at"),
            inbox_name=row.inbox_name or "",
            channel_type=row.channel_type,
            assignee=row.assignee or row.assignee_bot or None,
            assignee_id=row.assignee_id if row.assignee else row.assignee_bot_id,
            assignee_is_bot=not row.assignee and bool(row.assignee_bot),
            team=row.team or None,
            team_id=row.team_id if row.team else None,
            labels=tuple(sorted(label for text in (row.labels or "").split(",") if (label := text.strip()))),
            custom_attributes=_object(row.custom_attributes, "custom_attributes"),
            is_email=bool(row.mail_subject),
            messages=tuple(_message(one) for one in row.messages or ()),
        )
    except (ValueError, RecursionError) as error:
        return BrokenRow("conversation", row.id, row.account_id, _reason(error))


def sent_message(row: Any) -> SentMessage | BrokenRow:
    """Return the message in `row` (attributes named as in `messages/rows`)."""
    try:
        return SentMessage(
            message=_message(row._asdict()),
            account_id=row.account_id,
            display_id=row.display_id,
            contact_id=row.contact_id,
            earlier_ids=tuple(row.earlier_ids or ()),
            inbox_name=row.inbox_name or "",
            channel_type=row.channel_type,
        )
    except ValueError as error:
        return BrokenRow("message", row.id, row.account_id, _reason(error))


def progress(row: Any, account_id: int) -> Progress | BrokenRow:
    """Return the progress in `row` (attributes named as in `progress/rows`)."""
    try:
        return Progress(
            contact_id=row.contact_id,
            created_at=_time(row.created_at, "created_at"),
            responded_at=_time(row.responded_at, "first_reply_created_at") if row.responded_at else None,
            resolved_at=_time(row.resolved_at, "event_end_time") if row.resolved_at else None,
        )
    except ValueError as error:
        return BrokenRow("contact", row.contact_id, account_id, _reason(error))


def _message(row: Mapping[str, Any]) -> Message:
    is_deleted = "deleted" in row["flags"]
    return Message(
        id=row["id"],
        author=_author(row),
        sender_name=row["sender_name"] or "",
        content="" if is_deleted else row["content"] or "",
        is_deleted=is_deleted,
        is_failed=row["status"] == _FAILED,
        is_email=row["content_type"] == _INCOMING_EMAIL,
        created_at=_time(row["created_at"], "messages.created_at"),
        attachments=_attachments(row["attachments"] or ()),
    )


def _author(row: Mapping[str, Any]) -> Author:
    flags = row["flags"]
    if row["message_type"] == _INCOMING:
        return Author.CONTACT
    if "automation" in flags:
        return Author.AUTOMATION
    if "campaign" in flags:
        return Author.CAMPAIGN
    if "echo" in flags:
        # Written by a person in the channel's own app.
        return Author.AGENT
    return _AUTHORS.get(row["sender_type"], Author.UNKNOWN)


def _attachments(rows: Sequence[Mapping[str, Any]]) -> tuple[Attachment, ...]:
    return tuple(
        Attachment(
            kind=_FILE_KINDS[kind] if (kind := row["file_type"] or 0) in range(len(_FILE_KINDS)) else "file",
            name=row["name"] or None,
            content_type=row["content_type"] or None,
            size=row["size"],
        )
        for row in rows
    )


def _time(text: str | None, column: str) -> datetime:
    try:
        # Stored without a zone, meant as UTC.
        return datetime.fromisoformat(text or "").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(column, "no time of the years 1 to 9999") from None


def _object(text: str | None, column: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        raise ValueError(column, "JSON beyond what Python reads") from None
    if value is not None and not isinstance(value, dict):
        raise ValueError(column, f"a JSON {type(value).__name__} instead of an object")
    return value or {}


def _reason(error: Exception) -> str:
    # Only our own errors name a column; others may quote what they could not read.
    return ": ".join(map(str, error.args)) if len(error.args) == 2 else type(error).__name__
