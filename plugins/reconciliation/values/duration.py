"""How long something takes, in words."""

from __future__ import annotations

_UNITS = (("days", 86_400), ("hours", 3_600))


def spoken(seconds: float) -> str:
    """Return `seconds` as people say it: in minutes, from two hours on in hours, from two days on in days."""
    for unit, length in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds / 60:.1f} minutes"
