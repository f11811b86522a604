"""From rows of the database to records, without ever failing on a row."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from chatwoot.records import Attributes, BrokenRow, Contact, ContactInbox

_decoded = json.JSONDecoder().raw_decode


class _UnreadableError(Exception):
    """A column does not hold what it should; the message names the column only."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(f"{column}: {reason}")


def contact(row: Any) -> Contact | BrokenRow:
    """Return the contact in `row` (attributes named as in `contacts/rows`).

    Attributes must be JSON objects; SQL NULL and JSON null count as {}. Times must lie in the years 1 to
    9999; they are stored without a zone and mean UTC.
    """
    try:
        _require_times(row.unreadable)
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
        )
    except _UnreadableError as error:
        return BrokenRow("contact", row.id, row.account_id, str(error))


def _require_times(unreadable: list[str]) -> None:
    if unreadable:
        raise _UnreadableError(", ".join(unreadable), "no time of the years 1 to 9999")


def _object(text: str | None, column: str) -> Attributes:
    if text is None or text == "{}":
        return {}
    try:
        # PostgreSQL's own text: one value, no blanks around it.
        value, _ = _decoded(text)
    except (ValueError, RecursionError):
        # PostgreSQL stores numbers of thousands of digits and nests deeper than Python follows.
        raise _UnreadableError(column, "JSON beyond what Python reads") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _UnreadableError(column, f"a JSON {type(value).__name__} instead of an object")
    return value


def _utc(value: datetime | None) -> datetime | None:
    return None if value is None else value.replace(tzinfo=UTC)


def _time(value: datetime | None, column: str) -> datetime:
    if value is None:
        raise _UnreadableError(column, "NULL")
    return value.replace(tzinfo=UTC)


def _inboxes(ids: list[int], names: list[str]) -> tuple[ContactInbox, ...]:
    if len(ids) == 1:
        return (ContactInbox(ids[0], names[0]),)
    return tuple(ContactInbox(*pair) for pair in sorted(zip(ids, names, strict=True)))
