"""Reads records out of Krayin's JSON by the types of their fields; errors name the key, never the value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, TypeAdapter, ValidationError

# What PHP makes of MySQL's date of noughts: "-0001-11-30T00:00:00.000000Z".
_NO_CALENDAR_YEAR = re.compile(r"-|0000-")


class ShapeError(ValueError):
    """A value out of Krayin's answer that does not have the shape it should; names the key, not the value."""


def object_of(value: Any, what: str) -> Mapping[str, Any]:
    """Return `value`, which must be a JSON object; `what` names it in the error."""
    if not isinstance(value, Mapping):
        message = f"{what}: an object was expected, not {type(value).__name__}"
        raise ShapeError(message)
    return value


def list_of(value: Any, what: str) -> list[Any]:
    """Return `value`, which must be a JSON list; `what` names it in the error."""
    if not isinstance(value, list):
        message = f"{what}: a list was expected, not {type(value).__name__}"
        raise ShapeError(message)
    return value


def _blank_is_none(value: Any) -> Any:
    return None if value == "" else value


def _text(value: Any) -> Any:
    if value is None:
        return ""
    return str(value) if isinstance(value, int | float) else value


def _calendar(value: Any) -> Any:
    return None if not value or _NO_CALENDAR_YEAR.match(str(value)) else value


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


Text = Annotated[str, BeforeValidator(_text)]
"""Empty where there is none; numbers count as text."""
TextOrNone = Annotated[str | None, BeforeValidator(lambda value: None if value is None else _text(value))]
Number = Annotated[int | None, BeforeValidator(_blank_is_none)]
Amount = Annotated[Decimal | None, BeforeValidator(_blank_is_none)]
Flag = Annotated[bool, BeforeValidator(lambda value: value in (1, "1"))]
"""Set as a number, a boolean or a digit; anything else is not."""
Moment = Annotated[datetime | None, BeforeValidator(_calendar), AfterValidator(_utc)]
"""In UTC; none where there is none or one of noughts."""


def member(key: str) -> BeforeValidator:
    """Return what reads a key of a related object, None where there is no such object."""
    return BeforeValidator(lambda related: None if related is None else object_of(related, key).get(key))


def members(key: str) -> BeforeValidator:
    """Return what reads a key of each object in a list, nothing where there is no list."""
    return BeforeValidator(
        lambda related: [object_of(one, key).get(key) for one in list_of(related or [], key)]
    )


@cache
def _adapter(record: Any) -> TypeAdapter[Any]:
    return TypeAdapter(record)


class FromJson:
    """A dataclass that is read from JSON, a row of an answer above all; further keys are left out."""

    __slots__ = ()

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the record of one JSON object.

        Raises:
            ShapeError: it has another shape.
        """
        record: Any = cls
        try:
            read: Self = _adapter(record).validate_python(object_of(value, cls.__name__))
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
            message = f"{cls.__name__}.{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
            raise ShapeError(message) from None
        return read

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object that `from_json` reads, without what is None."""
        record: Any = type(self)
        shown: dict[str, Any] = _adapter(record).dump_python(self, mode="json", exclude_none=True)
        return shown
