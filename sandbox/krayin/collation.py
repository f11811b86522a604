"""How the database compares texts: utf8mb4_unicode_ci for columns, bytes for JSON."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

IGNORED = frozenset({"Mn", "Me", "Cf", "Cc"})
# Letters that the Unicode weights count as a plain letter although they do not decompose.
SAME_LETTER = str.maketrans({"ø": "o", "đ": "d", "ł": "l", "ħ": "h", "æ": "ae", "œ": "oe", "\u0131": "i"})


@lru_cache(maxsize=1_000_000)
def fold(text: str) -> str:
    """Return a key that is equal for texts the column collation calls equal.

    Case, accents, trailing blanks and invisible characters do not count; all characters beyond the
    basic plane (emoji) have one weight.
    """
    if text.isascii():
        return text.lower().rstrip(" ") if text.isprintable() else _fold_wide(text)
    return _fold_wide(text)


def _fold_wide(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    kept = "".join(
        "\ufffd" if ord(letter) > 0xFFFF else letter
        for letter in decomposed
        if unicodedata.category(letter) not in IGNORED or letter in "\t\n\r"
    )
    return kept.casefold().translate(SAME_LETTER).rstrip(" ")


@lru_cache(maxsize=2_000)
def like(pattern: str) -> re.Pattern[str]:
    """Return a regular expression for a LIKE pattern: ``%``, ``_`` and backslash escapes."""
    parts: list[str] = []
    letters = iter(pattern)
    for letter in letters:
        if letter == "\\":
            parts.append(re.escape(next(letters, "\\")))
        elif letter == "%":
            parts.append(".*")
        elif letter == "_":
            parts.append(".")
        else:
            parts.append(re.escape(letter))
    return re.compile("".join(parts), re.DOTALL)


def folded_like(pattern: str) -> re.Pattern[str]:
    """Return a LIKE pattern for texts that were folded."""
    trailing = len(pattern) - len(pattern.rstrip(" "))
    return like(fold(pattern) + " " * trailing)
