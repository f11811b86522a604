"""Filters as Chatwoot's filter requests give them, turned into SQL.

Times are compared by day, and the day given is left out. `updated_at` cannot be filtered by.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from sandbox.chatwoot_api.errors import UnprocessableError

if TYPE_CHECKING:
    from collections.abc import Mapping

_DAYS = {"is_greater_than": ">", "is_less_than": "<"}
_KINDS = {
    "text": frozenset({"equal_to", "not_equal_to", "contains", "does_not_contain"}),
    "number": frozenset({"equal_to", "not_equal_to"}),
    "day": frozenset(_DAYS),
}


def condition(body: Mapping[str, Any], columns: Mapping[str, tuple[str, str]]) -> tuple[str, dict[str, Any]]:
    """Return a filter's condition in SQL and its parameters.

    `columns` gives for each attribute key its SQL and its kind (text, number, day).

    Raises:
        AnsweredError: 422, an attribute, operator or value is none.
    """
    parts: list[str] = []
    parameters: dict[str, Any] = {}
    given = body.get("payload") or []
    for position, one in enumerate(given):
        key, operator = one.get("attribute_key"), one.get("filter_operator")
        if key not in columns:
            said = f"Invalid attribute key - [{key}]. The key should be one of [{', '.join(columns)}]"
            raise UnprocessableError(said, "or a custom attribute defined in the account.")
        column, kind = columns[key]
        if operator not in _KINDS[kind]:
            allowed = ", ".join(sorted(_KINDS[kind]))
            said = f"Invalid operator. The allowed operators for {key} are [{allowed}]."
            raise UnprocessableError(said)
        name = f"value_{position}"
        parts.append(_part(column, kind, operator, name))
        parameters[name] = _value(kind, operator, one.get("values"))
        if position < len(given) - 1:
            parts.append("OR" if str(one.get("query_operator")).upper() == "OR" else "AND")
    return f"({' '.join(parts)})" if parts else "true", parameters


def _part(column: str, kind: str, operator: str, name: str) -> str:
    if kind == "day":
        return f"({column})::date {_DAYS[operator]} %({name})s"
    refusing = "NOT " if operator in {"not_equal_to", "does_not_contain"} else ""
    if operator in {"contains", "does_not_contain"}:
        return f"{refusing}coalesce({column}, '') ILIKE %({name})s"
    return f"{refusing}({column} IS NOT NULL AND {column} = ANY(%({name})s))"


def _value(kind: str, operator: str, given: Any) -> Any:
    values = given if isinstance(given, list) else [given]
    try:
        if kind == "day":
            return date.fromisoformat(str(values[0])[:10])
        if operator in {"contains", "does_not_contain"}:
            return f"%{values[0]}%"
        return [int(value) if kind == "number" else str(value) for value in values]
    except (ValueError, TypeError, IndexError):
        said = "Invalid value. The values provided are invalid"
        raise UnprocessableError(said) from None
