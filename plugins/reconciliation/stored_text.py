"""Text as Krayin will hold it."""

from __future__ import annotations

from krayin.text import clean_text, trim


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
