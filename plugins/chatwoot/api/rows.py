"""From JSON of Chatwoot's API to records, without ever failing on a row.

What the API does not tell is put together from what it tells as Chatwoot itself would, or left empty;
docs/chatwoot-api.md lists it.
"""

from __future__ import annotations

import json
import mimetypes
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from chatwoot.errors import ChatwootApiUnreachable
from chatwoot.records import (
    DETAILS,
    FILE_KINDS,
    LETTERS,
    Attachment,
    Author,
    Contact,
    ContactInbox,
    Conversation,
    Handling,
    InboxContact,
    InboxProgress,
    Message,
    Priority,
    Progress,
    SentMessage,
    Status,
    UnreadableError,
    or_broken,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Json = dict[str, Any]
SECOND = timedelta(seconds=1)
"""The API tells whole seconds: a time may be so much later than it says."""

_VISITOR, _LEAD = 0, 1
_INCOMING, _OUTGOING, _TEMPLATE = 0, 1, 3
_AUTHORS = {"user": Author.AGENT, "agent_bot": Author.BOT, "captain_assistant": Author.ASSISTANT}
# What `message_parts.sql` leaves out of a mail's body, and how much it reads of each part.
_UNSEEN = (
    re.compile(r"<style.*?</style\s*>", re.IGNORECASE | re.DOTALL),
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r"data:[\w/+.;=-]+,[\w/+=%]{64,}", re.IGNORECASE),
)
_SUBJECT_LETTERS, _DETAIL_LETTERS = 1_000, 20_000
_BODIES = (
    ("text_content", "reply"),
    ("html_content", "reply"),
    (),
    ("text_content", "full"),
    ("html_content", "full"),
)
_KINDS = {"sticker", "voice_call"}
_STORED_FILE = "/active_storage/"
_UNTITLED = frozenset({"location", "fallback", "contact"})
# A JSON of another form shows by any of these.
_SHAPELESS = ("an answer of another form than Chatwoot 4's ({})", (TypeError, KeyError, AttributeError))
_or_broken = or_broken(lambda row: row["id"], *_SHAPELESS)


def listed(answer: Any, where: str) -> list[Json]:
    """Return the rows of a list, each an object with a number as `id`.

    Raises:
        ChatwootApiUnreachable: it is none.
    """
    rows = answer.get("payload") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        raise strange(where)
    return [single(row, where) for row in rows]


def payload_of(answer: Any, where: str) -> Json:
    """Return the object under `payload`, with a number as `id`.

    Raises:
        ChatwootApiUnreachable: it is none.
    """
    return single(answer.get("payload") if isinstance(answer, dict) else None, where)


def single(row: Any, where: str) -> Json:
    """Return an object with a number as `id`.

    Raises:
        ChatwootApiUnreachable: it is none.
    """
    if not isinstance(row, dict) or type(row.get("id")) is not int:
        raise strange(where)
    return row


def strange(where: str) -> ChatwootApiUnreachable:
    """Return the error for an answer that is not what Chatwoot 4 gives."""
    return ChatwootApiUnreachable(where, "the answer has another form than Chatwoot 4's")


@_or_broken
def contact(row: Json, account_id: int) -> Contact:
    """Return the contact in an element of `GET /contacts`.

    `updated_at`, which the API hides, is the later of creation and last activity.
    """
    additional = _object(row.get("additional_attributes"), "additional_attributes")
    created_at = _time(row.get("created_at"), "created_at")
    active_at = _time(row["last_activity_at"], "last_activity_at") if row.get("last_activity_at") else None
    email, phone = row.get("email") or None, row.get("phone_number") or None
    social = any(key.startswith("social_") and value for key, value in additional.items())
    return Contact(
        id=row["id"],
        account_id=account_id,
        name=row.get("name") or "",
        last_name="",
        middle_name="",
        email=email,
        phone_number=phone,
        identifier=row.get("identifier") or None,
        contact_type=_LEAD if email or phone or social else _VISITOR,
        blocked=bool(row.get("blocked")),
        location=_text(additional.get("city")),
        country_code=_text(additional.get("country")),
        additional_attributes=additional,
        custom_attributes=_object(row.get("custom_attributes"), "custom_attributes"),
        last_activity_at=active_at,
        created_at=created_at,
        updated_at=max(created_at, active_at or created_at),
        labels=(),
        inboxes=_inboxes(row.get("contact_inboxes")),
    )


@_or_broken
def conversation(  # noqa: PLR0913, PLR0917 - what an element does not say of itself
    row: Json,
    account_id: int,
    inbox_name: str,
    earlier_ids: Sequence[str],
    said: Iterable[Json],
    letters: int,
    earlier: int | None,
) -> Conversation:
    """Return the conversation in an element of `GET /conversations`; its id is the display id.

    `said` are the elements of its latest messages, oldest first, to be given with so many letters each;
    `earlier` is as in `Conversation`.
    """
    meta = row.get("meta") or {}
    assignee = meta.get("assignee") or {}
    additional = _object(row.get("additional_attributes"), "additional_attributes")
    return Conversation(
        id=row["id"],
        account_id=account_id,
        display_id=row["id"],
        contact_id=contact_id_of(row),
        earlier_ids=tuple(earlier_ids),
        status=Status.__members__.get(str(row["status"]).upper()),
        priority=Priority.__members__.get(str(row.get("priority")).upper()),
        created_at=_time(row.get("created_at"), "created_at"),
        inbox_name=inbox_name,
        channel_type=meta.get("channel") or "",
        assignee=assignee.get("available_name") or assignee.get("name") or None,
        assignee_id=assignee.get("id"),
        assignee_is_bot=bool(assignee) and meta.get("assignee_type") == "AgentBot",
        team=(meta.get("team") or {}).get("name") or None,
        team_id=(meta.get("team") or {}).get("id"),
        labels=tuple(sorted(row.get("labels") or ())),
        custom_attributes=_object(row.get("custom_attributes"), "custom_attributes"),
        is_email=bool(additional.get("mail_subject")),
        messages=tuple(replace(message(one, letters, 10 * letters), subject="") for one in said),
        subject=_text(additional.get("mail_subject")),
        earlier=earlier,
        inbox_id=row.get("inbox_id"),
    )


def letters_of(row: Json) -> int:
    """Return how many letters the text of a message has that is read of it."""
    attributes = row.get("content_attributes") or {}
    content = row.get("content") or "" if row.get("message_type") != _TEMPLATE else ""
    body = _body(attributes.get("email"), content, is_email=row.get("content_type") == "incoming_email")
    return len(content if body is None else body)


@_or_broken
def sent_message(
    row: Json, of: Json, account_id: int, inbox_name: str, earlier_ids: Sequence[str]
) -> SentMessage:
    """Return the message in an element of a conversation's messages; `of` is the conversation's JSON."""
    return SentMessage(
        message=message(row),
        account_id=account_id,
        display_id=of["id"],
        contact_id=contact_id_of(of),
        earlier_ids=tuple(earlier_ids),
        inbox_name=inbox_name,
        channel_type=(of.get("meta") or {}).get("channel") or "",
        inbox_id=of.get("inbox_id"),
    )


def message(row: Json, letters: int = LETTERS, body_letters: int = LETTERS) -> Message:
    """Return a message with at most so many letters of its content and its body.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: it is none.
    """
    attributes = row.get("content_attributes") or {}
    sender = row.get("sender") or {}
    is_deleted = attributes == {"deleted": True}
    kind = str(sender.get("type") or "").lower()
    content = row.get("content") or ""
    mail, is_email = attributes.get("email"), row.get("content_type") == "incoming_email"
    body = _body(mail, content, is_email=is_email)
    return Message(
        id=row["id"],
        author=_author(row, attributes, kind),
        sender_name=""
        if kind == "captain_assistant"
        else str(sender.get("available_name") or sender.get("name") or ""),
        content="" if is_deleted or row["message_type"] == _TEMPLATE else content[:letters],
        is_deleted=is_deleted,
        is_failed=row.get("status") == "failed",
        is_email=is_email,
        created_at=_time(row.get("created_at"), "messages.created_at"),
        attachments=tuple(_attachment(one) for one in row.get("attachments") or ()),
        subject=_text(mail.get("subject"))[:_SUBJECT_LETTERS] if isinstance(mail, dict) else "",
        body=None if body in {None, content} else body[:body_letters],
        details=_details(row, attributes),
    )


def _body(mail: Any, content: str, *, is_email: bool) -> str | None:
    """Return a mail's text as the database's `message_parts.extras` chooses it, None for no mail."""
    if mail is None and not is_email:
        return None
    for place in _BODIES:
        found: Any = mail if place else content
        for key in place:
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, str) and (text := found.lstrip()):
            text = text[:1_000_000]
            for unseen in _UNSEEN:
                text = unseen.sub("", text)
            return text[:LETTERS]
    return None


def _details(row: Json, attributes: Mapping[str, Any]) -> Json:
    kind = row.get("content_type")
    named = {"kind": kind if kind in _KINDS else None, **{name: attributes.get(name) for name in DETAILS}}
    found: Json = _without_nulls(named)
    return found if len(json.dumps(found, ensure_ascii=False)) <= _DETAIL_LETTERS else {}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


def is_public(row: Json) -> bool:
    """Tell whether a message was said by or to the customer: no note, no line of the log, no template.

    The exception is a survey that the customer answered.
    """
    is_answer = (
        row.get("message_type") == _TEMPLATE
        and row.get("content_type") == "input_csat"
        and "csat_survey_response" in ((row.get("content_attributes") or {}).get("submitted_values") or {})
    )
    return (row.get("message_type") in {_INCOMING, _OUTGOING} or is_answer) and row.get("private") is False


@or_broken(int, *_SHAPELESS)
def progress(contact_id: int, found: Sequence[tuple[Json, datetime | None]], *, by_inbox: bool) -> Progress:
    """Return how far conversations came: their JSON, each with when it was resolved if that is known."""
    of_inboxes: dict[int, list[tuple[Json, datetime | None]]] = {}
    for one in sorted(found, key=lambda one: one[0]["id"]) if by_inbox else ():
        of_inboxes.setdefault(one[0]["inbox_id"], []).append(one)
    inboxes = tuple(InboxProgress(inbox_id, *_moments(some)) for inbox_id, some in of_inboxes.items())
    return Progress(contact_id, *_moments(found), inboxes=inboxes)


def _moments(
    found: Iterable[tuple[Json, datetime | None]],
) -> tuple[datetime, datetime | None, datetime | None]:
    created, responded, resolved = [], [], []
    for row, resolved_at in found:
        created.append(_time(row.get("created_at"), "created_at"))
        if row.get("first_reply_created_at"):
            responded.append(_time(row["first_reply_created_at"], "first_reply_created_at"))
        if row.get("status") == "resolved":
            # The line "... resolved the conversation" is its last activity.
            resolved.append(resolved_at or _time(row.get("last_activity_at"), "last_activity_at"))
    return max(created), max(responded, default=None), max(resolved, default=None)


def by_inbox(rows: Iterable[Json]) -> tuple[InboxContact, ...]:
    """Return what some conversations of a contact say of it inbox by inbox, that of the oldest one first."""
    of_inboxes: dict[int, list[Json]] = {}
    for row in sorted(rows, key=lambda row: row["id"]):
        of_inboxes.setdefault(row["inbox_id"], []).append(row)
    return tuple(
        InboxContact(
            handling(newest(some)),
            tuple(sorted({label for row in some for label in row.get("labels") or ()})),
            moment(newest(some).get("last_activity_at")),
        )
        for some in of_inboxes.values()
    )


def newest(rows: Iterable[Json]) -> Json:
    """Return the conversation in which something was said last."""
    return max(rows, key=lambda row: (row.get("last_activity_at") or 0, row["id"]))


def handling(row: Json) -> Handling:
    """Return who handles a conversation; a bot is no agent."""
    meta = row.get("meta") or {}
    agent = {} if meta.get("assignee_type") == "AgentBot" else meta.get("assignee") or {}
    return Handling(
        row.get("inbox_id"), (meta.get("team") or {}).get("id"), agent.get("id"), agent.get("email") or None
    )


def contact_id_of(row: Json) -> int | None:
    """Return the contact of a conversation, None when it was deleted."""
    sender = (row.get("meta") or {}).get("sender") or {}
    number = sender.get("id")
    return number if isinstance(number, int) else None


def inboxes_of(row: Json) -> tuple[ContactInbox, ...]:
    """Return how a contact is called in which inbox, nothing where its JSON has another form."""
    try:
        return _inboxes(row.get("contact_inboxes"))
    except ValueError:
        return ()


def earlier_ids_of(inboxes: Iterable[ContactInbox]) -> list[str]:
    """Return the texts in which an earlier integration noted a contact's CRM ids."""
    return [one.source_id for one in inboxes if one.source_id.startswith("krayin:")]


def moment(value: object) -> datetime | None:
    """Return seconds since 1970 or ISO 8601 as a time, UTC; None for nothing (Chatwoot says 0) or no time."""
    try:
        return _time(value, "") if value else None
    except ValueError:
        return None


def is_before(key: str, start: datetime, row: Json) -> bool:
    """Tell whether a row's time under `key` is before `start`, or is none."""
    at = moment(row.get(key))
    return at is None or at < start - SECOND


def is_within(key: str, start: datetime, end: datetime, row: Json) -> bool:
    """Tell whether a row's time under `key` is in a window."""
    at = moment(row.get(key))
    return at is not None and start - SECOND < at < end


def _author(row: Json, attributes: Mapping[str, Any], kind: str) -> Author:
    if row["message_type"] in {_INCOMING, _TEMPLATE}:
        return Author.CONTACT
    if isinstance(attributes.get("automation_rule_id"), int):
        return Author.AUTOMATION
    if (row.get("additional_attributes") or {}).get("campaign_id"):
        return Author.CAMPAIGN
    if attributes.get("external_echo") is True:
        # Written by a person in the channel's own app.
        return Author.AGENT
    return _AUTHORS.get(kind, Author.UNKNOWN)


def _attachment(row: Mapping[str, Any]) -> Attachment:
    kind = row.get("file_type") or "image"
    name = row.get("fallback_title") or None
    content_type = row.get("extension") or None
    path = _path(row.get("data_url"))
    if kind not in _UNTITLED and _STORED_FILE in path:
        # The last part of the address is the file's name; its type follows from it.
        name = unquote(path.rsplit("/", 1)[1]) or name
        content_type = mimetypes.guess_type(name or "")[0] or content_type
    return Attachment(
        kind if kind in FILE_KINDS else "file", name, content_type, row.get("file_size") or None
    )


def _path(address: Any) -> str:
    # Some come from outside as they are.
    try:
        return urlsplit(address or "").path
    except (ValueError, AttributeError):
        return ""


def _inboxes(found: Any) -> tuple[ContactInbox, ...]:
    if not isinstance(found or [], list) or not all(isinstance(one, dict) for one in found or ()):
        column, reason = "contact_inboxes", "no list of objects"
        raise UnreadableError(column, reason)
    links = (
        ContactInbox(inbox, one.get("source_id") or "")
        for one in found or ()
        if isinstance(inbox := (one.get("inbox") or {}).get("id"), int)
    )
    return tuple(sorted(links, key=lambda link: (link.inbox_id, link.source_id)))


def _object(value: Any, name: str) -> Json:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UnreadableError(name, f"a JSON {type(value).__name__} instead of an object")
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _time(value: object, name: str) -> datetime:
    try:
        if isinstance(value, str) and "-" in value[1:]:
            at = datetime.fromisoformat(value)
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        return datetime.fromtimestamp(float(value), UTC)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, OSError):
        raise UnreadableError(name, "no time of the years 1 to 9999") from None
