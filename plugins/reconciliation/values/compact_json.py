"""JSON as short as it can be, in UTF-8."""

from __future__ import annotations

import json
from typing import Any

import orjson

# For what orjson cannot write.
_PLAIN = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_SORTED = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def compact_json(value: Any, *, sort_keys: bool = False) -> bytes:
    """Return `value` (JSON-like; tuples are lists) as JSON.

    What JSON has no word for (infinity, not a number) becomes null. Integers beyond 64 bits and lone
    surrogates take a slower way and are written all the same.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort_keys else None)
    except TypeError:
        return (_SORTED if sort_keys else _PLAIN).encode(value).encode("utf-8", "surrogatepass")
