"""Text as Krayin will hold it."""

from __future__ import annotations

from krayin.text import clean_text

# What Krayin takes off both ends of every text it is sent; U+3000 is the last of Unicode's blanks.
_BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\ufeff\u200b"


def stored_text(text: str | None) -> str:
    """Return `text` readable to Krayin and without outer blanks, "" for None.

    What was sent in another form would look edited in Krayin when it is read back.
    """
    if not text:
        return ""
    if text.isascii() and "\0" not in text:
        return text.strip()
    return clean_text(text).strip(_BLANKS)
