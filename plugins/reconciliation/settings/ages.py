"""Ages and dates as they are written in a sync file."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

_AGE = re.compile(r"([0-9]{1,6})\s*(days?|weeks?|months?|years?)")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_OLDEST_DAYS = 100 * 365
_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}


def age_or_date(value: object) -> timedelta | date:
    """Return an age such as '90 days' or a date.

    Raises:
        ValueError: it is neither; the message says what is allowed.
    """
    if isinstance(value, datetime):
        return value.astimezone(UTC).date() if value.tzinfo else value.date()
    if isinstance(value, date | timedelta):
        return value
    if isinstance(value, str):
        age = _AGE.fullmatch(value.strip())
        days = int(age[1]) * _DAYS[age[2].rstrip("s")] if age else None
        if days is not None and days <= _OLDEST_DAYS:
            return timedelta(days=days)
        if _DATE.fullmatch(value.strip()):
            with suppress(ValueError):
                return date.fromisoformat(value.strip())
    message = "must be an age of at most 100 years such as '90 days', or a date such as 2026-01-31"
    raise ValueError(message)
