"""From rows of the database to records, without ever failing on a row.

Times are stored without a zone and mean UTC; they must lie in the years 1 to 9999. Attributes must be JSON
objects; SQL NULL and JSON null count as {}.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chatwoot.records import (
    FILE_KINDS,
    Attachment,
    Attributes,
    Author,
    Contact,
    ContactInbox,
    Conversation,
    Handling,
    InboxContact,
    InboxProgress,
    Message,
    OutOfScope,
    Priority,
    Progress,
    SentMessage,
    Status,
    UnreadableError,
    or_broken,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_decoded = json.JSONDecoder().raw_decode
_STATUSES = {int(one): one for one in Status}
_PRIORITIES = {int(one): one for one in Priority}
_INCOMING = 0
_TEMPLATE = 3
_INCOMING_EMAIL = 8
_FAILED = 3
_AUTHORS = {"User": Author.AGENT, "AgentBot": Author.BOT, "Captain::Assistant": Author.ASSISTANT}
_NO_TIME = "no time of the years 1 to 9999"


@or_broken(lambda row: row.id)
def contact(row: Any) -> Contact | OutOfScope:
    """Return the contact in `row` (attributes named as in `contacts/rows`)."""
    if not row.in_scope:
        return OutOfScope(row.id)
    if row.unreadable:
        raise UnreadableError(", ".join(row.unreadable), _NO_TIME)
    return Contact(
        id=row.id,
        account_id=row.account_id,
        name=row.name or "",
        last_name=row.last_name or "",
        middle_name=row.middle_name or "",
        email=row.email or None,
        phone_number=row.phone_number or None,
        identifier=row.identifier or None,
        contact_type=row.contact_type or 0,
        blocked=bool(row.blocked),
        location=row.location or "",
        country_code=row.country_code or "",
        additional_attributes=_object(row.additional_attributes, "additional_attributes"),
        custom_attributes=_object(row.custom_attributes, "custom_attributes"),
        last_activity_at=_utc(row.last_activity_at),
        created_at=_time(row.created_at, "created_at"),
        updated_at=_time(row.updated_at, "updated_at"),
        labels=tuple(sorted(row.labels)) if row.labels else (),
        inboxes=_inboxes(row.inbox_ids, row.source_ids) if row.inbox_ids else (),
        wants_lead=row.wants_lead,
        handling=Handling(**found) if (found := getattr(row, "handling", None)) else None,
        by_inbox=tuple(_inbox_contact(**one) for one in getattr(row, "by_inbox", None) or ()),
    )


@or_broken(lambda row: row.display_id)
def conversation(row: Any) -> Conversation:
    """Return the conversation in `row` (attributes named as in `conversations/rows`)."""
    return Conversation(
        id=row.id,
        account_id=row.account_id,
        display_id=row.display_id,
        contact_id=row.contact_id,
        earlier_ids=tuple(row.earlier_ids or ()),
        status=_STATUSES.get(row.status),
        priority=_PRIORITIES.get(row.priority),
        created_at=_parsed(row.created_at, "created_at"),
        inbox_name=row.inbox_name or "",
        channel_type=row.channel_type,
        assignee=row.assignee or row.assignee_bot or None,
        assignee_id=row.assignee_id if row.assignee else row.assignee_bot_id,
        assignee_is_bot=not row.assignee and bool(row.assignee_bot),
        team=row.team or None,
        team_id=row.team_id if row.team else None,
        labels=_labels(row.labels),
        custom_attributes=_object(row.custom_attributes, "custom_attributes"),
        is_email=bool(row.mail_subject),
        messages=tuple(_message(one) for one in row.messages or ()),
        subject=row.mail_subject,
        earlier=None if row.messages_said is None else row.messages_said - len(row.messages or ()),
        inbox_id=row.inbox_id,
    )


@or_broken(lambda row: row.id)
def sent_message(row: Any) -> SentMessage:
    """Return the message in `row` (attributes named as in `messages/rows`)."""
    return SentMessage(
        message=_message(row._asdict()),
        account_id=row.account_id,
        display_id=row.display_id,
        contact_id=row.contact_id,
        earlier_ids=tuple(row.earlier_ids or ()),
        inbox_name=row.inbox_name or "",
        channel_type=row.channel_type,
        inbox_id=row.inbox_id,
    )


@or_broken(lambda row: row.contact_id)
def progress(row: Any) -> Progress:
    """Return the progress in `row` (attributes named as in `progress/rows`)."""
    of_inboxes = (InboxProgress(one["inbox_id"], **_moments(one)) for one in row.inboxes or ())
    return Progress(row.contact_id, **_moments(row._asdict()), inboxes=tuple(of_inboxes))


def _moments(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "created_at": _parsed(row["created_at"], "created_at"),
        "responded_at": _parsed(row["responded_at"], "first_reply_created_at")
        if row["responded_at"]
        else None,
        "resolved_at": _parsed(row["resolved_at"], "event_end_time") if row["resolved_at"] else None,
    }


def _inbox_contact(labels: str | None, last_activity_at: str | None, **handling: Any) -> InboxContact:
    active_at = None if last_activity_at is None else _parsed(last_activity_at, "last_activity_at")
    return InboxContact(Handling(**handling), _labels(labels), active_at)


def _labels(cached: str | None) -> tuple[str, ...]:
    return tuple(sorted({label for text in (cached or "").split(",") if (label := text.strip())}))


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
        created_at=_parsed(row["created_at"], "messages.created_at"),
        attachments=_attachments(row["attachments"] or ()),
        subject=row.get("subject") or "",
        body=row["body"],
        details=_object(row["details"], "content_attributes"),
    )


def _author(row: Mapping[str, Any]) -> Author:
    flags = row["flags"]
    if row["message_type"] in {_INCOMING, _TEMPLATE}:
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
            kind=FILE_KINDS[kind] if (kind := row["file_type"] or 0) in range(len(FILE_KINDS)) else "file",
            name=row["name"] or None,
            content_type=row["content_type"] or None,
            size=row["size"],
        )
        for row in rows
    )


def _object(text: str | None, column: str) -> Attributes:
    if text is None or text == "{}":
        return {}
    try:
        # PostgreSQL's own text: one value, no blanks around it.
        value, _ = _decoded(text)
    except (ValueError, RecursionError):
        # PostgreSQL stores numbers of thousands of digits and nests deeper than Python follows.
        raise UnreadableError(column, "JSON beyond what Python reads") from None
    if value is not None and not isinstance(value, dict):
        raise UnreadableError(column, f"a JSON {type(value).__name__} instead of an object")
    return value or {}


def _utc(value: datetime | None) -> datetime | None:
    return None if value is None else value.replace(tzinfo=UTC)


def _time(value: datetime | None, column: str) -> datetime:
    if value is None:
        raise UnreadableError(column, "NULL")
    return value.replace(tzinfo=UTC)


def _parsed(text: str | None, column: str) -> datetime:
    try:
        return datetime.fromisoformat(text or "").replace(tzinfo=UTC)
    except ValueError:
        raise UnreadableError(column, _NO_TIME) from None


def _inboxes(ids: list[int], names: list[str]) -> tuple[ContactInbox, ...]:
    if len(ids) == 1:
        return (ContactInbox(ids[0], names[0]),)
    return tuple(ContactInbox(*pair) for pair in sorted(zip(ids, names, strict=True)))
