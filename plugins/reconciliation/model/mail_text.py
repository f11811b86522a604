"""What a mail says, as text: without markup, without what it quotes, with the characters that were meant."""

from __future__ import annotations

import base64
import quopri
import re
from contextlib import suppress
from typing import TYPE_CHECKING

import ftfy
import lxml.html  # type: ignore[import-untyped,unused-ignore]
from inscriptis import Inscriptis  # type: ignore[import-untyped,unused-ignore]
from inscriptis.css_profiles import CSS_PROFILES  # type: ignore[import-untyped,unused-ignore]
from inscriptis.model.config import ParserConfig  # type: ignore[import-untyped,unused-ignore]
from lxml.etree import LxmlError  # type: ignore[import-untyped,unused-ignore]

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.html import HtmlElement

_HTML = re.compile(
    r"<(?:!doctype|html|head|body|div|p|table|span|br|font|a|b|ul|ol|li|h[1-6])(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_TAG = re.compile(r"<[^<>]*>")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{40,}\s+)+[A-Za-z0-9+/]*={0,2}\s*|[A-Za-z0-9+/]{24,}={0,2}\s*")
_QUOTED_PRINTABLE = re.compile(r"=(?:[0-9A-F]{2}|\r?\n)")
_FEW = 3
_WESTERN_LETTERS = re.compile("[\xc0-\xff]")
_MOST = 0.8

# How mail programs mark what they quote. From a mark of the second kind on, all is quoted.
_CLASSES = (
    "gmail_quote",
    "gmail_attr",
    "yahoo_quoted",
    "protonmail_quote",
    "tutanota_quote",
    "moz-cite-prefix",
    "zmail_extra",
)
_QUOTES = "|".join(
    [f"//*[contains(@class, '{name}')]" for name in _CLASSES]
    + ["//blockquote[@type = 'cite' or contains(@class, 'cite')]", "//div[@name = 'quote']"]
)
_QUOTED_FROM = (
    "//*[contains(@id, 'divRplyFwdMsg') or @id = 'appendonsend' or contains(@class, 'OutlookMessageHeader')]"
    "|//*[contains(translate(@style, ' ', ''), 'border-top:solid#E1E1E1')]"
    "|//*[contains(translate(@style, ' ', ''), 'border-top:solid#B5C4DF')]"
)
# An empty line, as several programs write it: without the break it would be lost.
_EMPTY = "//div[not(*) and not(normalize-space(translate(., '\xa0', ' '))) and contains(., '\xa0')]"
_UNSEEN = "//head|//style|//script|//*[contains(translate(@style, ' ', ''), 'display:none')]"

_COLON = "[:\N{FULLWIDTH COLON}]"
_FORWARD_SUBJECT = re.compile(
    rf"\s*(?:fwd?|wg|tr|rv|enc|doorst|vb|vs|pd|ynt|i|пересл|轉寄|转发)\s*{_COLON}", re.IGNORECASE
)
# Below eight dashes and more stands what is passed on, unless they say original; below five what is answered.
_ORIGINAL = "orig|ursprung|ursprüng|oorspr|oryg|исходн|původn|原始|元の"
_FORWARD_LINE = re.compile(
    rf"^\s*(?:-{{8,}} ?(?!.{{0,30}}(?:{_ORIGINAL}))[^-\s].{{0,80}}?[^-\s] ?-{{8,}}|Begin forwarded message:)"
    r"\s*$",
    re.MULTILINE | re.IGNORECASE,
)
_SEPARATOR = re.compile(r"\s*(?:-{5,} ?[^-\s].{0,80}?[^-\s] ?-{5,}|_{20,})\s*")
_TIME = re.compile(r"\d{1,2}[:.h]\d{2}|\b(?:19|20)\d{2}\b")
_ENDS_LIKE_AN_INTRO = re.compile(rf"(?:{_COLON}|\d{{2}}, .*>| -{{3,5}})\s*\Z")
_WROTE = re.compile(
    r"\b(?:wrote|schrieb|a écrit|escribió|ha scritto|escreveu|schreef|geschreven|napisał|skrev|napsal"
    r"|kirjoitti|írta|пишет|написал|yazdı|a scris|έγραψε)|写道|寫道|書きました|<[^<>\s]+@[^<>\s]+>",  # noqa: RUF001
    re.IGNORECASE,
)
_LONGEST_INTRO, _INTRO_LINES = 400, 3
# A line that was wrapped is no shorter.
_WRAPPED = 30
_FIELD = re.compile(rf"\s*[*_]{{0,2}}[^\W\d_][\w .()-]{{0,24}}[*_]{{0,2}}\s?{_COLON}[*_]{{0,2}}\s*\S")
_FROM = re.compile(
    r"\s*[*_]{0,2}(?:from|von|de|da|van|od|från|fra|от|від|feladó|kimden|lähettäjä|από"
    rf"|差出人|发件人|寄件者|보낸 사람)[*_]{{0,2}}\s?{_COLON}",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"\s*[*_]{0,2}(?:subject|betreff|objet|asunto|oggetto|assunto|onderwerp|temat|ämne|emne|aihe|тема|předmět|konu|tárgy|θέμα"
    rf"|件名|主题|主旨|제목)[*_]{{0,2}}\s?{_COLON}",
    re.IGNORECASE,
)
_FIELDS, _MORE_FIELDS = 3, 6
_LAYOUT = ParserConfig(css=CSS_PROFILES["strict"])
_BLANKS = re.compile(r"[ \t\xa0]{2,}")
_EMPTY_LINES = re.compile(r"\n(?:[ \t\xa0\u200b\u200c\ufeff]*\n){2,}")


def mail_text(body: str, subject: str = "") -> str:
    """Return what a mail's body says: plain text or HTML, however it was decoded.

    What it quotes of earlier mails is left out, unless it says nothing else or is a forward (by `subject`,
    or a line that says so). Signatures stay. The time is linear in the length of `body`.
    """
    text = _decoded(body)
    forward = _FORWARD_SUBJECT.match(subject) is not None
    if _HTML.search(text):
        text = _of_html(text, with_quotes=forward)
    text = "\n".join(_BLANKS.sub(" ", line).rstrip() for line in text.splitlines())
    if not forward:
        text = _without_quotes(text) or text
    return _EMPTY_LINES.sub("\n\n", text).strip()


def _decoded(body: str) -> str:
    """Undo an encoding for transport that was left in place, and the most usual wrong charsets."""
    if _BASE64.fullmatch(body):
        with suppress(ValueError):
            text = base64.b64decode(body).decode()
            if "".join(text.split()).isprintable():
                return text
    if body.isascii():
        if "\x1b$" in body:
            return body.encode().decode("iso2022_jp", errors="replace")
        if len(_QUOTED_PRINTABLE.findall(body[:20_000])) > _FEW:
            encoded = quopri.decodestring(body.encode())
            with suppress(ValueError):
                return encoded.decode()
            return encoded.decode("cp1252", errors="replace")
    text = ftfy.fix_encoding(body)
    letters = sum(map(str.isalpha, text))
    if letters and len(_WESTERN_LETTERS.findall(text)) > _MOST * letters:
        with suppress(ValueError):
            return text.encode("latin-1").decode("cp1251")
    return text


def _of_html(markup: str, *, with_quotes: bool) -> str:
    try:
        tree = lxml.html.document_fromstring(markup)
    except (LxmlError, ValueError):
        return _TAG.sub("", markup)
    for one in tree.xpath(_UNSEEN):
        one.drop_tree()
    for one in tree.xpath(_EMPTY):
        one.text = None
        one.append(one.makeelement("br", {}))
    for image in tree.xpath("//img[normalize-space(@alt)]"):
        image.tail = f" [{image.get('alt').strip()}] {image.tail or ''}"
    # What lies too deep for the parser is there without a layout.
    whole = _text_of(tree) or _TAG.sub("", markup)
    if with_quotes or _FORWARD_LINE.search(whole):
        return whole
    for one in tree.xpath(_QUOTED_FROM):
        _cut_from(one)
    for one in tree.xpath(_QUOTES):
        if one.getparent() is not None:
            one.drop_tree()
    return _text_of(tree) or whole


def _cut_from(element: HtmlElement) -> None:
    """Take out an element and all that follows it."""
    for one in (element, *element.iterancestors()):
        one.tail = None
        for later in list(one.itersiblings()):
            later.getparent().remove(later)
    if element.getparent() is not None:
        element.drop_tree()


def _text_of(tree: HtmlElement) -> str:
    return str(Inscriptis(tree, _LAYOUT).get_text()).strip()


def _without_quotes(text: str) -> str:
    """Return the lines that the sender wrote, "" if there are none."""
    return "\n".join(_own_lines(text.split("\n"))).strip()


def _own_lines(lines: list[str]) -> Iterator[str]:
    place = 0
    while place < len(lines):
        length = _intro(lines, place)
        if _FORWARD_LINE.match(lines[place]):
            yield from lines[place:]
            return
        if _is_header(lines, place):
            return
        if length:
            place += length
            if not next(filter(str.strip, lines[place:]), "").startswith(">"):
                return
        elif lines[place].startswith(">"):
            place += 1
        else:
            yield lines[place]
            place += 1


def _is_header(lines: list[str], place: int) -> bool:
    """Tell whether a mail is quoted from here on with its header: who, when and what, as Outlook does."""
    start = place + bool(_SEPARATOR.fullmatch(lines[place]))
    block = [*filter(str.strip, lines[start : start + 2 * _MORE_FIELDS])][:_MORE_FIELDS]
    fields = block[:_FIELDS]
    sender = next(filter(_FROM.match, fields[:2]), None)
    return (
        len(fields) == _FIELDS
        and sender is not None
        and all(map(_FIELD.match, fields))
        and any(map(_TIME.search, fields))
        # From Cologne, to Hamburg, on some day is what a customer asks for.
        and ("@" in sender or any(map(_SUBJECT.match, block)))
    )


def _intro(lines: list[str], place: int) -> int:
    """Return over how many lines "On Monday Ada wrote:" goes that begins here, 0 where it does not."""
    for length in range(1, _INTRO_LINES + 1):
        last = lines[place + length - 1 : place + length]
        line = " ".join(lines[place : place + length])
        if not last or not last[0].strip() or line.startswith(">") or len(line) > _LONGEST_INTRO:
            return 0
        if length > 1 and len(lines[place + length - 2]) < _WRAPPED:
            return 0
        if _ENDS_LIKE_AN_INTRO.search(line):
            return length if _WROTE.search(line) and _TIME.search(line) else 0
    return 0
