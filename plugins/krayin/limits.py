"""What fits into Krayin's columns: it cuts longer values silently and echoes them in full."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Final

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
