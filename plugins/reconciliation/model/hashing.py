"""JSON as short as it can be, in UTF-8, and a short hash that is equal exactly when the contents are."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import fields, is_dataclass
from hashlib import blake2b
from typing import Any

import orjson

SIZE = 16
_CONTAINERS = (dict, list, tuple)


def _as_orjson(value: Any) -> Any:
    """Return what orjson makes of a dataclass or moment, for what it cannot write as a whole."""
    if not is_dataclass(value):
        return value.isoformat()
    return {one.name: getattr(value, one.name) for one in fields(value) if not one.name.startswith("_")}


_PLAIN = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=_as_orjson)
_SORTED = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, sort_keys=True, default=_as_orjson)


def compact_json(value: Any, *, sort_keys: bool = False) -> bytes:
    """Return `value` (JSON-like; tuples are lists, dataclasses objects of their public fields) as JSON.

    What JSON has no word for (infinity, not a number) becomes null. Integers beyond 64 bits and lone
    surrogates take a slower way and are written all the same.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort_keys else None)
    except TypeError:
        return (_SORTED if sort_keys else _PLAIN).encode(value).encode("utf-8", "surrogatepass")


def canonical(value: Any) -> Any:
    """Return `value` (JSON-like) with Unicode in composed form and None entries left out of objects."""
    if isinstance(value, str):
        return _composed(value)
    if isinstance(value, dict):
        return {_composed(key): canonical(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    return value


def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _filled(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _filled(item) if isinstance(item, _CONTAINERS) else item
            for key, item in value.items()
            if item is not None
        }
    return [_filled(item) if isinstance(item, _CONTAINERS) else item for item in value]


def stable_hash(value: Any) -> bytes:
    """Return 16 bytes that do not depend on key order or Unicode form of `value` (JSON-like).

    An absent key and None are the same; None and "" are not.
    """
    text = compact_json(_filled(value) if isinstance(value, _CONTAINERS) else value, sort_keys=True)
    if not text.isascii():
        # Only letters beyond ASCII have several forms.
        text = compact_json(canonical(value), sort_keys=True)
    return blake2b(text, digest_size=SIZE).digest()
