"""The values by which an erased person could be known again in other records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# Of a person's and a lead's fields; the others do not name anybody.
NAMING = ("name", "emails", "phones", "title", "contact_numbers")
# A shorter value would be found everywhere.
SHORTEST = 3


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


def in_json(value: str) -> str:
    """Return how `value` stands in JSON text as PostgreSQL writes it."""
    return json.dumps(value, ensure_ascii=False)[1:-1]


def in_bytes(value: str) -> tuple[bytes, ...]:
    """Return how `value` may stand in a webhook's body."""
    return tuple({in_json(value).encode(), json.dumps(value)[1:-1].encode()})


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value.strip()
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, dict):
        yield from _texts(value.get("value"))
