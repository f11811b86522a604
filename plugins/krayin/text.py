"""Text that Krayin can read, what of it fits into its columns, and when two texts are the same.

One bad code point makes it take a whole body as empty; longer values it cuts silently and echoes in full.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

_UNREADABLE = dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}") | {0: None}

_SUSPECT = re.compile("[\0\ud800-\udfff]")
# U+3000 is the last of Unicode's blanks. What Krayin 2.2 (Laravel 12) takes off beside them shows nothing
# either; 2.1.5 knows only a few of these, and keeps what it is sent without any.
INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e"
    + "".join(map(chr, (*range(0x200B, 0x2010), *range(0x2060, 0x2066), *range(0x206A, 0x2070))))
    + "\u2800\u3164\ufeff\uffa0\U0001d159"
    + "".join(map(chr, range(0x1D173, 0x1D17B)))
    + "\U000e0020"
)
_BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001)))) + INVISIBLE

NAME_CHARACTERS: Final = 255
"""Names, titles, job titles and text attributes, in characters."""

TEXT_BYTES: Final = 65_535
"""Comments and descriptions, in UTF-8 bytes."""

LEAD_VALUE_DECIMALS: Final = 4
"""More decimals are refused as "must be a decimal"."""

LEAD_VALUE_MAX: Final = Decimal("99999999.9999")
"""Larger lead values are stored as this one without a word."""

CUT_MARK: Final = "… [cut]"
"""What a value that was made to fit ends with."""

# What an address is made of: words between dots or a quoted text, and a domain or a literal.
_ATOM = r"[^\s\x00-\x20()<>\[\]:;@\\,.\"]+"
_ATOMS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_QUOTED = re.compile(r'"(?:[^"\\\x00-\x1f]|\\[^\x00-\x1f])*"')
_LITERAL = re.compile(r"\[[^\[\]\\\r\n]+\]")
_LABEL = re.compile(r"(?!-)[^\s\x00-\x20()<>\[\]:;@\\,.\"/]{1,63}(?<!-)")
# Joiners, marks of direction and control characters; beside them what selects the look of another one.
_UNSEEN = frozenset({"Cf", "Cc"})
_SELECTORS = frozenset({"\u034f", *map(chr, range(0xFE00, 0xFE10))})
# It silences a vowel of Indic scripts and makes another word.
_VIRAMA = 9
_LAST_OF_THE_BASIC_PLANE = "\uffff"
_ANY_OTHER = "\N{REPLACEMENT CHARACTER}"


def clean_text(text: str) -> str:
    """Return `text` without NUL, surrogate pairs joined and lone surrogates replaced by U+FFFD.

    Krayin 2.1.5: a lone surrogate escape or invalid UTF-8 anywhere makes PHP read the whole
    body as empty, so the write then fails for "missing" fields.
    """
    if not _SUSPECT.search(text):
        return text
    # The round trip joins the halves of a pair; only the lone ones are left to be replaced.
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return joined.translate(_UNREADABLE)


def trim(text: str) -> str:
    """Return `text` as Krayin stores it: without blanks and invisible characters at its ends."""
    return text.strip(_BLANKS)


def clean_json(value: Any) -> Any:
    """Return a JSON value with every string in it (keys too) cleaned as `clean_text` does."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, Mapping):
        return {clean_text(str(key)): clean_json(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [clean_json(item) for item in value]
    return value


def cut_characters(text: str, limit: int = NAME_CHARACTERS) -> str:
    """Return `text` in at most `limit` characters, ending with the cut mark when it was longer."""
    if len(text) <= limit:
        return text
    return text[: max(limit - len(CUT_MARK), 0)].rstrip() + CUT_MARK[:limit]


def cut_bytes(text: str, limit: int = TEXT_BYTES) -> str:
    """Return `text` in at most `limit` UTF-8 bytes of whole characters, with the cut mark when longer."""
    encoded = text.encode()
    if len(encoded) <= limit:
        return text
    mark = CUT_MARK.encode()
    kept = encoded[: max(limit - len(mark), 0)].decode(errors="ignore").rstrip()
    return kept + mark[:limit].decode(errors="ignore")


def fit_lead_value(value: Decimal) -> Decimal:
    """Return `value` rounded half up to four decimals and held between 0 and Krayin's maximum.

    Raises:
        ValueError: the value is not a finite number.
    """
    if not value.is_finite():
        message = "a lead value must be a finite number"
        raise ValueError(message)
    rounded = value.quantize(Decimal(1).scaleb(-LEAD_VALUE_DECIMALS), rounding=ROUND_HALF_UP)
    return min(max(rounded, Decimal(0)), LEAD_VALUE_MAX)


def fold_name(name: str) -> str:
    """Return the form in which Krayin's database compares names: no case, accents or outer blanks.

    Its collation (utf8mb4_unicode_ci) takes "Müller GmbH" and "Muller gmbh " for one organization, and
    all characters beyond the basic plane, emoji above all, for one and the same.
    """
    decomposed = unicodedata.normalize("NFKD", name.strip().casefold())
    if decomposed.isascii() and decomposed.isprintable():
        return decomposed
    return "".join(
        character if character <= _LAST_OF_THE_BASIC_PLANE else _ANY_OTHER
        for character in decomposed
        if not _is_weightless(character)
    )


def _is_weightless(character: str) -> bool:
    if unicodedata.combining(character) not in {0, _VIRAMA} or character in _SELECTORS:
        return True
    return unicodedata.category(character) in _UNSEEN and not character.isspace()


def fit_email(address: str) -> str:
    """Return an e-mail address as Krayin takes it, "" where it takes it in no form.

    Carriers gave out addresses with dots in a row or at the end. Krayin takes these in quotes only, which
    mean the same mailbox.
    """
    local, _, domain = address.rpartition("@")
    if not local or not (_LITERAL.fullmatch(domain) or all(map(_LABEL.fullmatch, domain.split(".")))):
        return ""
    if _ATOMS.fullmatch(local) or _QUOTED.fullmatch(local):
        return address
    quoted = '"{}"'.format(local.replace("\\", "\\\\").replace('"', '\\"'))
    return f"{quoted}@{domain}" if _QUOTED.fullmatch(quoted) else ""


def fold_email(address: str) -> str:
    """Return the form in which two e-mail addresses of one mailbox are equal; Krayin itself heeds case.

    Only case is folded: "straße.example" and "strasse.example" are two domains.
    """
    return address.strip().lower()
