"""Column types of the database, with what non-strict SQL makes of values that do not fit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, Literal

from sandbox.krayin import php
from sandbox.krayin.clock import LOCAL, ZERO_DATE, ZERO_DATETIME, sql_datetime
from sandbox.krayin.collation import fold
from sandbox.krayin.errors import QueryError

if TYPE_CHECKING:
    from sandbox.krayin.versions import Storage

Kind = Literal["int", "uint", "bool", "string", "text", "json", "decimal", "double", "datetime", "date"]
INT_RANGE = {"int": (-(2**31), 2**31 - 1), "uint": (0, 2**32 - 1), "bool": (-128, 127)}
TEXT_BYTES = 65_535
LARGEST_DECIMAL = Decimal("99999999.9999")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its type, whether it may be NULL, its length and its default."""

    name: str
    kind: Kind = "string"
    nullable: bool = True
    size: int = 255
    default: Any = None

    def blank(self) -> Any:
        """Return the implicit default that non-strict SQL uses for a NOT NULL column."""
        if self.kind in {"int", "uint", "bool"}:
            return 0
        return {"decimal": "0.0000", "double": 0.0, "datetime": ZERO_DATETIME, "date": ZERO_DATE}.get(
            self.kind, ""
        )

    def stored(self, value: Any, storage: Storage) -> Any:
        """Return what the column holds after the value was written.

        Raises:
            QueryError: a JSON column gets text that is not JSON.
        """
        if isinstance(value, datetime):
            value = value.strftime(LOCAL)
        if value is None and self.nullable:
            return None
        if self.kind == "json":
            return self._json(value, storage)
        return self.blank() if value is None else _CONVERSIONS[self.kind](self, value)

    def _json(self, value: Any, storage: Storage) -> str:
        if value is None and storage.missing_is_json_null:
            return "null"
        text = self.blank() if value is None else _bound(value)
        if not php.decode_json(text)[0]:
            message = f"SQLSTATE[23000]: CONSTRAINT `{self.name}` failed"
            raise QueryError(message)
        if storage.json_is_text:
            return text
        return json.dumps(_ordered(json.loads(text)), ensure_ascii=False)

    def key(self, value: Any) -> Any:
        """Return a hashable that is equal for stored values the database calls equal."""
        if value is None or not isinstance(value, str):
            return value
        if self.kind in {"string", "text"}:
            return fold(value)
        if self.kind == "decimal":
            return float(value)
        return value

    def matches(self, wanted: str) -> Any:
        """Return the key a stored value must have to equal a text from a request; None for never."""
        if self.kind in {"int", "uint", "bool", "double", "decimal"}:
            return float(php.number_of(wanted))
        if self.kind in {"datetime", "date"}:
            read = sql_datetime(wanted)
            if read is None:
                return None
            return read if self.kind == "datetime" else read[:10] if read.endswith("00:00:00") else None
        return fold(wanted) if self.kind in {"string", "text"} else wanted.rstrip(" ")


def _ordered(value: Any) -> Any:
    """Return JSON with the keys of its objects by length, then by bytes, as MySQL keeps them."""
    if isinstance(value, list):
        return [_ordered(item) for item in value]
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        return {key: _ordered(value[key]) for key in keys}
    return value


def _integer(column: Column, value: Any) -> int:
    smallest, largest = INT_RANGE[column.kind]
    if type(value) is int and smallest <= value <= largest:
        return value
    # Held to the range first: a number such as 1e400 is infinite to PHP.
    number = min(max(php.number_of(value), smallest), largest)
    return int(Decimal(str(number)).quantize(Decimal(1), ROUND_HALF_UP))


def _string(column: Column, value: Any) -> str:
    return _bound(value)[: column.size]


def _text(_: Column, value: Any) -> str:
    text = _bound(value)
    if len(text) * 4 <= TEXT_BYTES:
        return text
    return text.encode("utf-8")[:TEXT_BYTES].decode("utf-8", "ignore")


def _bound(value: Any) -> str:
    """Return a bound parameter as text; Laravel binds true and false as 1 and 0."""
    return str(int(value)) if isinstance(value, bool) else php.text_of(value)


def _decimal(_: Column, value: Any) -> str:
    number = Decimal(str(php.number_of(value)))
    number = min(max(number, -LARGEST_DECIMAL), LARGEST_DECIMAL)
    return f"{number.quantize(Decimal('0.0001'), ROUND_HALF_UP):f}"


def _double(_: Column, value: Any) -> float:
    return float(php.number_of(value))


def _datetime(_: Column, value: Any) -> str:
    return sql_datetime(value) or ZERO_DATETIME


def _date(_: Column, value: Any) -> str:
    return (sql_datetime(value) or ZERO_DATETIME)[:10]


_CONVERSIONS: dict[str, Any] = {
    "int": _integer,
    "uint": _integer,
    "bool": _integer,
    "string": _string,
    "text": _text,
    "decimal": _decimal,
    "double": _double,
    "datetime": _datetime,
    "date": _date,
}
