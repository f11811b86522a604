"""Text that Krayin can read: one bad code point makes it take the whole body as empty."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

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
