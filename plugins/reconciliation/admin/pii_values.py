"""The values by which an erased person could be known again in other records."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

# Of a person's and a lead's fields; the others do not name anybody.
NAMING = ("name", "emails", "phones", "title", "contact_numbers")
# A shorter value would be found everywhere.
SHORTEST = 3
# A shorter one is looked for as a word of its own: "Per" is no part of "person".
SHORTEST_WITHIN_WORDS = 6
ERASED = "[erased]"
# As Rails writes these in JSON.
_RAILS = str.maketrans({sign: f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"})


def traces_of(records: Iterable[Mapping[str, Any] | None]) -> tuple[str, ...]:
    """Return the names, e-mails and phones in some records, longest first, each in its spellings."""
    found = {
        spelling
        for record in records
        for field in NAMING
        for value in _texts((record or {}).get(field))
        for spelling in (value, value.lower(), value.casefold())
        if len(value) >= SHORTEST
    }
    return tuple(sorted(found, key=lambda value: (-len(value), value)))


def without(document: Any, values: Sequence[str]) -> Any:
    """Return a JSON document or text without some values, longest first.

    Only texts within it are touched: the names of its members and its numbers say nothing of a person.
    """
    if not values:
        return document
    return _without(document, re.compile("|".join(map(_pattern, values))))


def in_bytes(value: str) -> tuple[bytes, ...]:
    """Return how `value` may stand in a webhook's body."""
    plain = json.dumps(value, ensure_ascii=False)[1:-1]
    return tuple({plain.encode(), plain.translate(_RAILS).encode(), json.dumps(value)[1:-1].encode()})


def _pattern(value: str) -> str:
    pattern = re.escape(value)
    if len(value) >= SHORTEST_WITHIN_WORDS or not value.isascii():
        return pattern
    return f"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])"


def _without(document: Any, pattern: re.Pattern[str]) -> Any:
    if isinstance(document, str):
        return pattern.sub(ERASED, document)
    if isinstance(document, list):
        return [_without(one, pattern) for one in document]
    if isinstance(document, dict):
        return {name: _without(one, pattern) for name, one in document.items()}
    return document


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value.strip()
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, dict):
        yield from _texts(value.get("value"))
