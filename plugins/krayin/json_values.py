"""Reads values out of Krayin's JSON; errors name the key, never the value."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

# What PHP makes of MySQL's date of noughts: "-0001-11-30T00:00:00.000000Z".
_NO_CALENDAR_YEAR = re.compile(r"-|0000-")


class ShapeError(ValueError):
    """A value out of Krayin's answer that does not have the shape it should; names the key, not the value."""


def object_of(value: Any, what: str) -> Mapping[str, Any]:
    """Return `value`, which must be a JSON object; `what` names it in the error."""
    if not isinstance(value, Mapping):
        message = f"{what} is {type(value).__name__}, an object was expected"
        raise ShapeError(message)
    return value


def list_of(value: Any, what: str) -> list[Any]:
    """Return `value`, which must be a JSON list; `what` names it in the error."""
    if not isinstance(value, list):
        message = f"{what} is {type(value).__name__}, a list was expected"
        raise ShapeError(message)
    return value


def integer_of(row: Mapping[str, Any], key: str) -> int:
    """Return the whole number under `key`, which must be there."""
    value = integer_or_none(row, key)
    if value is None:
        message = f"{key} is missing, a number was expected"
        raise ShapeError(message)
    return value


def integer_or_none(row: Mapping[str, Any], key: str) -> int | None:
    """Return the whole number under `key`, None where there is none."""
    value = row.get(key)
    if value is None or value == "":
        return None
    try:
        return int(value)
    except (TypeError, ValueError):
        message = f"{key} is {type(value).__name__}, a number was expected"
        raise ShapeError(message) from None


def text_of(row: Mapping[str, Any], key: str) -> str:
    """Return the text under `key`, empty where there is none; numbers count as text."""
    value = row.get(key)
    if value is None:
        return ""
    if isinstance(value, (str, int, float)):
        return str(value)
    message = f"{key} is {type(value).__name__}, text was expected"
    raise ShapeError(message)


def text_or_none(row: Mapping[str, Any], key: str) -> str | None:
    """Return the text under `key`, None where there is none."""
    return None if row.get(key) is None else text_of(row, key)


def moment_of(row: Mapping[str, Any], key: str) -> datetime | None:
    """Return the moment under `key` in UTC, None where there is none or one of noughts."""
    value = row.get(key)
    if value is None or value == "":
        return None
    text = str(value)
    if _NO_CALENDAR_YEAR.match(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        message = f"{key} is not a date and time"
        raise ShapeError(message) from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def decimal_or_none(row: Mapping[str, Any], key: str) -> Decimal | None:
    """Return the number under `key`, None where there is none."""
    value = row.get(key)
    if value is None or value == "":
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        message = f"{key} is not a number"
        raise ShapeError(message) from None


def flag_of(row: Mapping[str, Any], key: str) -> bool:
    """Return whether `key` is set, as a number, a boolean or a digit."""
    return row.get(key) in (1, True, "1")


_READERS: Mapping[str, Callable[[Mapping[str, Any], str], Any]] = {
    "int": integer_of,
    "int | None": integer_or_none,
    "str": text_of,
    "str | None": text_or_none,
    "bool": flag_of,
    "Decimal | None": decimal_or_none,
    "datetime | None": moment_of,
}
"""By the type of a field, as its annotation writes it."""


@cache
def _read_by_type(record: Any) -> list[tuple[str, Callable[[Mapping[str, Any], str], Any]]]:
    typed = ((one.name, str(one.type)) for one in fields(record))
    return [(name, _READERS[kind]) for name, kind in typed if kind in _READERS]


def values_of(record: Any, row: Mapping[str, Any], **others: Any) -> dict[str, Any]:
    """Return what a dataclass is made of: its fields by type from the keys of their names, or `others`."""
    found = {name: read(row, name) for name, read in _read_by_type(record) if name not in others}
    return found | others


def related_id(row: Mapping[str, Any], key: str) -> int | None:
    """Return the id of the object under `key`, None where there is none."""
    related = row.get(key)
    return None if related is None else integer_of(object_of(related, key), "id")
