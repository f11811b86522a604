"""A short hash that is equal exactly when the contents are."""

from __future__ import annotations

import unicodedata
from hashlib import blake2b
from typing import Any

from reconciliation.values.compact_json import compact_json

SIZE = 16
_CONTAINERS = (dict, list, tuple)


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
