"""Sums what the loaders of a run did: several at once, or one whose task was tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def summed(shares: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sum of numbers by name; names may hold further numbers by name, as deep as they like.

    A name that is missing in a share counts nothing there.
    """
    total: dict[str, Any] = {}
    for share in shares:
        for name, value in share.items():
            there = total.get(name)
            if isinstance(value, dict):
                total[name] = summed((there or {}, value))
            else:
                total[name] = (there or 0) + value
    return total
