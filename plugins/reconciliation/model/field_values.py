"""What a value of Chatwoot becomes in a field of Krayin: by the type of the field."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from krayin.text import TEXT_BYTES, clean_json, cut_bytes, fit_email, fold_name

from reconciliation.model.stored_text import stored_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

_SEVERAL = frozenset({"multiselect", "checkbox"})
OPTION_TYPES = frozenset({"select"}) | _SEVERAL
"""The types of Krayin's attributes that have options."""
CHOSEN_TYPES = OPTION_TYPES | {"lookup"}
"""The types of Krayin's attributes that hold ids of what was chosen."""
FILLABLE_TYPES = frozenset({"text", "textarea", "boolean", "price", "date", "datetime"}) | CHOSEN_TYPES
"""The types of Krayin's attributes that can be filled."""
_TRUE = {"true", "yes", "on", "y", "t"}
_FALSE = {"false", "no", "off", "n", "f"}
_MIDNIGHT = time()
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMERIC = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://[^\s/]+\S*", re.IGNORECASE)
# Krayin takes a price of up to four decimals and keeps it as a double, exact to fifteen digits.
_PRICE_STEP = Decimal("0.0001")
_PRICE_END = Decimal(10) ** 11
# Many contacts name the same company.
folded = lru_cache(maxsize=8192)(fold_name)


@dataclass(frozen=True, slots=True)
class FieldType:
    """What a custom attribute of Krayin takes.

    `kind` is its type there, `validation` the rule that its texts must pass, if any. `choices` are the ids of
    what can be chosen, by folded name. One that is `required` takes no blank.
    """

    kind: str = "text"
    validation: str | None = None
    choices: Mapping[str, int] = field(default_factory=dict)
    required: bool = False

    @property
    def can_be_emptied(self) -> bool:
        """Whether Krayin is known to take a blank for a value; 2.1 would keep a moment of noughts."""
        return not self.required and self.kind != "datetime"

    def value(self, raw: Any, zone: tzinfo = UTC) -> Any:
        """Return a value of Chatwoot in the form that Krayin takes; None, or no choices, for blank.

        `zone` is where a moment has its day (`_picked_day`) and its time.

        Raises:
            ValueError: it cannot be put into that form; the message does not quote it.
        """
        several = self.kind in _SEVERAL
        text = as_text(raw, zone)
        if not text:
            return [] if several else None
        if self.kind in CHOSEN_TYPES:
            return chosen(raw, self.choices, several=several)
        value = custom_value(raw, self.kind, zone)
        return _valid(value, self.validation) if self.kind == "text" and self.validation else value


def custom_value(raw: Any, krayin_type: str, zone: tzinfo = UTC) -> Any:
    """Return a Chatwoot attribute in the form Krayin's attribute type takes; None for blank.

    `zone` is where a moment has its day, if none is picked in it (`_picked_day`).

    Raises:
        ValueError: the value cannot be put into that form; the message names the type, not the value.
    """
    text = as_text(raw, zone)
    if not text:
        return None
    match krayin_type:
        case "boolean":
            return _boolean(text)
        case "price":
            return _price(text)
        case "date":
            return _day(text, zone)
        case "datetime":
            return _moment(text, zone)
        case _:
            return cut_bytes(text, TEXT_BYTES)


def chosen(raw: Any, choices: Mapping[str, int], *, several: bool) -> int | list[int]:
    """Return the id of what a Chatwoot attribute chooses by name, or the ids where it may be `several`.

    Several are a list, or names between commas. `choices` are ids by folded name. Krayin stores whatever is
    sent for a choice, so only what is there goes out.

    Raises:
        ValueError: it is none of the choices; the message does not quote it.
    """
    names = [folded(as_text(one)) for one in (raw if isinstance(raw, list) else [raw])]
    if several and not isinstance(raw, list) and names[0] not in choices:
        names = [folded(one) for one in as_text(raw).split(",")]
    ids = [choices.get(name) for name in dict.fromkeys(names) if name]
    found = sorted({one for one in ids if one is not None})
    if not found or None in ids or (len(found) > 1 and not several):
        message = "is none of Krayin's options, left out"
        raise ValueError(message)
    return found if several else found[0]


def _boolean(text: str) -> int:
    word = text.casefold()
    number = number_of(word)
    if number is None and word not in _TRUE | _FALSE:
        message = "is neither yes nor no, left out"
        raise ValueError(message)
    return int(word in _TRUE if number is None else number != 0)


def _price(text: str) -> str:
    number = number_of(text)
    if number is None:
        message = "is not a number, left out"
        raise ValueError(message)
    if not 0 <= number < _PRICE_END:
        message = "is negative or too large for a price, left out"
        raise ValueError(message)
    return digits(number.quantize(_PRICE_STEP, rounding=ROUND_HALF_UP))


def _day(text: str, zone: tzinfo) -> str:
    if _DAY.match(text):
        with suppress(ValueError, OverflowError):
            at = datetime.fromisoformat(text)
            if at.utcoffset() == timedelta(0):
                return _picked_day(at, zone).date().isoformat()
        # With a zone of its own, or none, it says the day itself.
        with suppress(ValueError):
            return date.fromisoformat(text[:10]).isoformat()
    message = "is not a date (YYYY-MM-DD), left out"
    raise ValueError(message)


def _moment(text: str, zone: tzinfo) -> str:
    if _DAY.match(text):
        with suppress(ValueError, OverflowError):
            at = datetime.fromisoformat(text)
            # Krayin keeps what its clock on the wall shows, and would drop an offset.
            return _clock(at if at.tzinfo is None else at.astimezone(zone))
    message = "is not a time (YYYY-MM-DD HH:MM), left out"
    raise ValueError(message)


def _clock(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat(" ", "seconds")


def _valid(text: str, rule: str) -> str:
    """Return a text as one of Krayin's rules for texts takes it; it would refuse the whole record."""
    match rule:
        case "numeric" if not _NUMERIC.fullmatch(text):
            message = "is not a number, left out"
        case "decimal":
            return _price(text)
        case "email" if fit_email(text) != text:
            message = "is not an e-mail, left out"
        case "url" if not _ADDRESS.fullmatch(text):
            message = "is not a web address, left out"
        case _:
            return text
    raise ValueError(message)


def _picked_day(at: datetime, zone: tzinfo) -> datetime:
    """Return a moment as it was where it was picked.

    Chatwoot's page stores a day as its beginning where the agent is, in UTC. That is in `zone`, else where
    it is midnight then: zones lie from UTC-12 to +14 in quarters of an hour. Where two fit, it is Hawaii at
    ten, and from then to noon New Zealand. What begins no day is a moment, and its day that in `zone`.
    """
    local = at.astimezone(zone)
    if local.time() == _MIDNIGHT:
        return local
    if at.minute % 15 or at.second or at.microsecond:
        return local
    begun = timedelta(hours=at.hour, minutes=at.minute)
    return at - begun if begun <= timedelta(hours=10) else at - begun + timedelta(days=1)


def number_of(text: str) -> Decimal | None:
    """Return the number that a text is, None where it is none."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def digits(number: Decimal) -> str:
    """Return a number without an exponent and needless noughts."""
    # A nought may carry a sign.
    return f"{number.normalize():f}" if number else "0"


def as_text(raw: Any, zone: tzinfo = UTC) -> str:
    """Return any value of Chatwoot as text, "" for none; a moment as the time in `zone`."""
    match raw:
        case None:
            return ""
        case datetime():
            return _clock(raw.astimezone(zone))
        case bool():
            return "yes" if raw else "no"
        case list():
            return ", ".join(text for item in raw if (text := as_text(item)))
        case dict():
            return stored_text(json.dumps(clean_json(raw), ensure_ascii=False, sort_keys=True)) if raw else ""
        case _:
            return stored_text(plain(raw))


def plain(value: Any) -> str:
    """Return a text or number as text."""
    # A number beyond what JSON readers hold comes as infinity, which says nothing.
    return "" if isinstance(value, float) and not math.isfinite(value) else str(value)
