"""The form in which phone numbers are compared."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import phonenumbers

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_NOT_DIGIT = re.compile(r"\D+")
# Fewer digits are an extension or a filler such as "0", which strangers share.
_FEWEST_DIGITS = 5


def normalise_phone(value: str, region: str | None) -> str | None:
    """Return a phone number in E.164 form, None when it is none.

    `region` is the two-letter country of numbers written without a country code; without it
    only numbers with a leading `+` are understood.
    """
    compact = value.strip()
    return compact if _E164.fullmatch(compact) else _parsed_phone(compact, region)


@lru_cache(maxsize=4096)
def _parsed_phone(value: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    normalised = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    # In some countries an extension of two digits is a possible number.
    return normalised if _E164.fullmatch(normalised) else None


def phone_key(value: str, region: str | None) -> str | None:
    """Return what two spellings of one phone number share: E.164, else the bare digits, else None.

    None also where there are too few digits to tell one person from another.
    """
    normalised = normalise_phone(value, region)
    if normalised is not None:
        return normalised
    digits = "".join(str(unicodedata.decimal(digit)) for digit in _NOT_DIGIT.sub("", value))
    return digits if len(digits) >= _FEWEST_DIGITS else None
