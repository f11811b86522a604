"""Reads dates in the forms PHP's strtotime takes."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

RELATIVE = re.compile(r"([+-]?\d{1,12})\s*(second|sec|minute|min|hour|day|week|month|year)s?(?:\s+(ago))?\Z")
DAYS = (
    "%m/%d/%Y",
    "%Y/%m/%d",
    "%d-%m-%Y",
    "%d.%m.%Y",
    "%d %B %Y",
    "%d %b %Y",
    "%B %d %Y",
    "%b %d %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%Y-%m-%d",
)
TIMES = (
    "%H:%M:%S",
    "%H:%M",
    "%I:%M %p",
    "%I:%M%p",
    "%I %p",
    "%I%p",
    "%I:%M:%S %p",
    "%H:%M:%S %z",
    "%H:%M:%S.%f",
)
SECONDS = {"second": 1, "sec": 1, "minute": 60, "min": 60, "hour": 3600, "day": 86400, "week": 604800}
MONTHS = {"month": 1, "year": 12}
CLOCK_ONLY = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?\Z", re.ASCII)
NAMED_DAY = re.compile(
    r"(?:(next|last|this)\s+)?"
    r"(mon|tue|wed|thu|fri|sat|sun)(?:day|s|sday|nesday|r|rs|rsday|urday)?\Z"
)
NEIGHBOUR = re.compile(r"(next|last)\s+(day|week|month|year)\Z")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ZONE_NAME = re.compile(r"(.*\d)\s*([A-Za-z][A-Za-z_]*(?:/[A-Za-z_]+)+|[A-Z]{3,4})\Z")


def spoken(text: str, now: datetime) -> datetime | None:
    """Read what counts from now, as strtotime does: ``+1 day``, ``next monday``, ``10:00``; None else."""
    relative = RELATIVE.match(text)
    if relative:
        amount = int(relative[1]) * (-1 if relative[3] else 1)
        return _moved(now, amount, relative[2])
    neighbour = NEIGHBOUR.match(text)
    if neighbour:
        return _moved(now, 1 if neighbour[1] == "next" else -1, neighbour[2])
    hours = CLOCK_ONLY.match(text)
    if hours:
        hour, minute, second = (int(part or 0) for part in hours.groups())
        fits = hour < 24 and minute < 60 and second < 60
        return now.replace(hour=hour, minute=minute, second=second, microsecond=0) if fits else None
    day = NAMED_DAY.match(text)
    if day is None:
        return None
    ahead = (WEEKDAYS.index(day[2]) - now.weekday()) % 7
    if day[1] == "next":
        ahead = ahead or 7
    elif day[1] == "last":
        ahead -= 7
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=ahead)


def _moved(now: datetime, amount: int, unit: str) -> datetime:
    """Count units on from now; days that a month does not have run into the next month."""
    if unit in SECONDS:
        return now + timedelta(seconds=max(min(amount * SECONDS[unit], 10**10), -(10**10)))
    months = now.year * 12 + now.month - 1 + max(min(amount * MONTHS[unit], 12_000), -12_000)
    return now.replace(year=months // 12, month=months % 12 + 1, day=1) + timedelta(days=now.day - 1)


def _named_zone(text: str) -> tuple[str, tzinfo] | None:
    """Split a date from the zone that is named behind it, as ``Europe/Berlin`` or ``UTC``."""
    match = ZONE_NAME.match(text)
    if match is None:
        return None
    try:
        return match[1], ZoneInfo(match[2])
    except (KeyError, ValueError, OSError):
        return None


def written(text: str) -> datetime | None:
    """Read a date in one of the forms strtotime takes, with or without a zone; None when it is none."""
    named = _named_zone(text)
    if named is not None:
        local = written(named[0])
        return None if local is None or local.tzinfo else local.replace(tzinfo=named[1])
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    hour = " " in text or "T" in text
    for form in DAYS:
        for time in ("", *TIMES) if hour else ("",):
            candidate, pattern = (text, f"{form} {time}") if time else (text, form)
            try:
                return datetime.strptime(candidate, pattern)  # noqa: DTZ007
            except ValueError:
                continue
    try:
        return parsedate_to_datetime(text) if "," in text else None
    except ValueError:
        return None
