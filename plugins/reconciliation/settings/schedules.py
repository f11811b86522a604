"""How far apart the runs of a schedule are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

# Any day serves: the widest gap of a schedule within a year is looked for.
START = datetime(2026, 1, 1, tzinfo=UTC)
LOOKED_AT = 400


def longest_gap(schedule: str) -> timedelta:
    """Return the longest time between two of the next 400 runs of a cron expression or preset."""
    from croniter import croniter  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415 - see settings

    runs = croniter(schedule, START)
    before: datetime = runs.get_next(datetime)
    longest = timedelta()
    for _ in range(LOOKED_AT):
        following: datetime = runs.get_next(datetime)
        longest = max(longest, following - before)
        before = following
    return longest
