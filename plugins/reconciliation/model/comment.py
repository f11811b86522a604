"""Comments as Krayin's page shows them: escaped text, `<br>` for line ends, never longer than the column."""

from __future__ import annotations

import html
import re
from datetime import UTC
from typing import TYPE_CHECKING, Any

from krayin.text import CUT_MARK, TEXT_BYTES, cut_characters

from reconciliation.model.hashing import stable_hash
from reconciliation.model.mail_text import mail_text
from reconciliation.model.message_details import offer_lines, outcome_lines
from reconciliation.model.stored_text import stored_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, tzinfo

    from chatwoot.records import Attachment, Message

LINE_END = "<br>"
# A cut may not leave half an entity or half a tag behind.
_TORN = re.compile(r"(?:&[^&;<>\s]{0,31}|<[^<>]*)\Z")
_TAGS = re.compile(r"<[^<>]*>")
_LINES = re.compile(r"\r\n|[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]")
_KILO = 1024


def escaped(text: str) -> str:
    """Return text as Krayin's page shows it literally, line ends as `<br>`."""
    return LINE_END.join(html.escape(line, quote=True) for line in _LINES.split(stored_text(text)))


def comment_of(text: str, link: str = "") -> str:
    """Return text as a comment, cut visibly where Krayin would cut silently.

    Bytes are counted as sent, after escaping. The address `link` can be clicked where it stands in the text.
    """
    comment = escaped(text)
    if link:
        address = escaped(link)
        anchor = f'<a href="{address}" target="_blank">{address}</a>'
        comment = re.sub(rf"{re.escape(address)}(?![\w/?#-])", lambda _: anchor, comment)
    encoded = comment.encode()
    if len(encoded) <= TEXT_BYTES:
        return comment
    kept = encoded[: TEXT_BYTES - len(CUT_MARK.encode())].decode(errors="ignore")
    return _TORN.sub("", kept).rstrip() + CUT_MARK


def plain_text(comment: str) -> str:
    """Return a comment as it reads on Krayin's page."""
    return html.unescape(_TAGS.sub("", comment.replace(LINE_END, "\n")))


def moment(at: datetime, zone: tzinfo = UTC) -> str:
    """Return a moment for reading, with the name of its zone."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def shown_value(value: Any) -> str:
    """Return a custom attribute's value for reading."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(shown_value(one) for one in value)
    return str(value)


def attachment_line(attachment: Attachment) -> str:
    """Return a file as name, type and size."""
    known = [attachment.content_type or attachment.kind]
    if attachment.size is not None:
        known.append(size(attachment.size))
    name = attachment.name or f"({attachment.kind})"
    return f"Attachment: {cut_characters(name)} ({', '.join(known)})"


def size(number: int) -> str:
    """Return a number of bytes for reading."""
    shown, unit = float(number), "B"
    for larger in ("KB", "MB", "GB"):
        if shown < _KILO:
            break
        shown, unit = shown / _KILO, larger
    return f"{shown:.0f} {unit}" if unit == "B" else f"{shown:.1f} {unit}"


def body(message: Message, longest: int | None = None, *, is_mail: bool = False) -> str:
    """Return what a message says: its text, what it offers, what came of it, its files.

    `longest` cuts the text to that many characters. With `is_mail` it is read as a mail (`mail_text`).
    """
    if is_mail:
        text = mail_text(message.content if message.body is None else message.body, message.subject)
    elif message.details.get("is_reaction") is True:
        text = f"Reaction: {message.content}"
    else:
        text = message.content
    more = [*offer_lines(message.details), *outcome_lines(message.details)]
    # Below a signature a file would look like its last line.
    more += [""] * (is_mail and bool(text.strip()) and bool(message.attachments))
    return _body(message, text, longest, more)


def marked(message: Message, longest: int | None = None) -> str:
    """Return what of a message makes a difference when it changes; see `DesiredActivity.said`.

    How a text is read from it has changed and will again: what was said before that is history.
    """
    return _body(message, message.content, longest, outcome_lines(message.details))


def _body(message: Message, text: str, longest: int | None, more: Iterable[str]) -> str:
    if message.is_deleted:
        return "(message deleted)"
    text = stored_text(text)
    lines = [text if longest is None else cut_characters(text, longest)] if text else []
    lines += map(stored_text, more)
    lines += [stored_text(attachment_line(one)) for one in message.attachments]
    if message.is_failed:
        lines.append("(not delivered)")
    return "\n".join(lines) or "(no text)"


def comment_mark(comment: str | None) -> str:
    """Return a short mark by which a comment is recognised; comments themselves are not kept."""
    return stable_hash(stored_text(comment)).hex()
