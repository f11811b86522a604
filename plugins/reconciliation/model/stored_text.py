"""Text as Krayin will hold it."""

from __future__ import annotations

import unicodedata

from krayin.text import INVISIBLE, clean_text, trim

# Controls, joiners and blanks by kind; fillers that count as letters, symbols or marks.
_UNSEEN_KINDS = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
_FILLERS = frozenset(INVISIBLE) | {chr(one) for one in range(0xFE00, 0xFE10)}


def stored_text(text: str | None) -> str:
    """Return `text` readable to Krayin and without outer blanks, "" for None.

    What was sent in another form would look edited in Krayin when it is read back.
    """
    if not text:
        return ""
    if text.isascii() and "\0" not in text:
        # Nothing to clean, and the blanks of ASCII are those of Python.
        return text.strip()
    return trim(clean_text(text))


def visible_text(text: str | None) -> str:
    """Return `stored_text`, but "" also for what shows nothing: people hide their names in messengers so."""
    stored = stored_text(text)
    if (stored.isascii() and stored.isprintable()) or any(map(_is_seen, stored)):
        return stored
    return ""


def _is_seen(character: str) -> bool:
    return character not in _FILLERS and unicodedata.category(character) not in _UNSEEN_KINDS
