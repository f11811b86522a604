"""The server's clock: what time it is, and how local times are read and shown."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.krayin import php, strtotime
from sandbox.krayin.errors import ServerError

ZERO_DATETIME = "0000-00-00 00:00:00"
ZERO_DATE = "0000-00-00"
LOCAL = "%Y-%m-%d %H:%M:%S"
LAST_YEAR = 9999
DATE_ONLY = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})\Z")
# createFromFormat('Y-m-d H:i:s') lets months, days and hours overflow.
EXACT = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2}) (\d{1,2}):(\d{2}):(\d{2})\Z")
SQL = re.compile(
    r"(\d{4}|\d{2})[^\d](\d{1,2})[^\d](\d{1,2})"
    r"(?:[T\s]+(\d{1,2})(?:[^\d](\d{1,2})(?:[^\d](\d{1,2})(?:\.\d*)?)?)?)?"
)


class Clock:
    """Tells the time in the server's zone.

    Args:
        timezone: IANA name of APP_TIMEZONE.
        offset_seconds: how far ahead of the machine's clock the server is; tests move it to let
            rate-limit windows and token lifetimes pass.

    Attributes:
        stopped_at: the machine's time at which the clock was stopped, or None while it runs.
    """

    def __init__(self, timezone: str, offset_seconds: float = 0.0) -> None:
        self.zone = ZoneInfo(timezone)
        self.offset_seconds = offset_seconds
        self.stopped_at: datetime | None = None

    def stop(self, *, stopped: bool) -> None:
        """Stop the clock where it stands, or let it go on with the machine's; moving it works in both."""
        self.stopped_at = datetime.now(UTC) if stopped else None

    def set_zone(self, timezone: str) -> None:
        """Change the server's zone; what is stored keeps its wall time."""
        self.zone = ZoneInfo(timezone)

    def now(self) -> datetime:
        """Return the present moment, aware, in the server's zone."""
        machine = datetime.now(UTC) if self.stopped_at is None else self.stopped_at
        return machine.astimezone(self.zone) + timedelta(seconds=self.offset_seconds)

    def timestamp(self) -> int:
        """Return whole seconds since 1970 UTC."""
        return int(self.now().timestamp())

    def now_text(self) -> str:
        """Return the present moment as the database stores it: local, whole seconds."""
        return self.now().strftime(LOCAL)

    def shown(self, stored: str | datetime | None) -> str | None:
        """Return a stored local time as the API shows it: UTC with microseconds and Z.

        Args:
            stored: local text of a column, or an aware moment that was just set.
        """
        if stored is None:
            return None
        if isinstance(stored, datetime):
            return _utc_text(stored, "%f")
        return _shown(stored, self.zone)

    def moment(self, value: Any) -> datetime:
        """Read a value as Carbon does: epoch numbers, 'Y-m-d' as midnight, anything else parsed.

        Returns:
            An aware moment in the zone the value names, else in the server's.

        Raises:
            ServerError: when the text is no date at all.
        """
        if isinstance(value, datetime):
            return value
        if php.is_numeric(value):
            return datetime.fromtimestamp(float(php.number_of(value)), self.zone)
        text = php.text_of(value)
        match = DATE_ONLY.match(text) or EXACT.match(text)
        if match:
            year, month, day, *clock = (int(part) for part in match.groups())
            return self._overflowing(year, month, day, *clock)
        return self._parsed(text.strip())

    def _overflowing(self, year: int, month: int, day: int, *clock: int) -> datetime:
        year += (month - 1) // 12
        if not 1 <= year <= LAST_YEAR:
            message = "Unexpected data found."
            raise ServerError(message, "Carbon\\Exceptions\\InvalidFormatException")
        first = datetime(year, (month - 1) % 12 + 1, 1, tzinfo=self.zone)
        hours, minutes, seconds = (*clock, 0, 0, 0)[:3]
        beyond = timedelta(days=day - 1, hours=hours, minutes=minutes, seconds=seconds)
        try:
            return first + beyond
        except OverflowError as error:
            message = "Unexpected data found."
            raise ServerError(message, "Carbon\\Exceptions\\InvalidFormatException") from error

    def _parsed(self, text: str) -> datetime:
        now = self.now()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        words = {"": now, "now": now, "today": midnight, "midnight": midnight}
        words |= {"tomorrow": midnight + timedelta(days=1), "yesterday": midnight - timedelta(days=1)}
        lowered = text.lower()
        if lowered in words:
            return words[lowered]
        if text.startswith("@") and php.is_numeric(text[1:]):
            return datetime.fromtimestamp(float(php.number_of(text[1:])), UTC)
        parsed = strtotime.spoken(lowered, now) or strtotime.written(text)
        if parsed is None:
            message = f"Could not parse '{text}': Failed to parse time string"
            raise ServerError(message, "Carbon\\Exceptions\\InvalidFormatException")
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=self.zone)

    def local_text(self, value: Any) -> str:
        """Return a value as an Eloquent date attribute stores it: its own wall time, the zone dropped."""
        if value in {ZERO_DATE, ZERO_DATETIME}:
            return ZERO_DATETIME
        return self.moment(value).strftime(LOCAL)


@lru_cache(maxsize=100_000)
def _shown(stored: str, zone: ZoneInfo) -> str:
    if stored.startswith("0000"):
        # Carbon reads the zero date as the last November day of year -1, in local mean time.
        offset = datetime(1, 1, 2, tzinfo=zone).utcoffset() or timedelta()
        return f"-000001-{datetime(2001, 11, 30, tzinfo=UTC) - offset:%m-%dT%H:%M:%S}.000000Z"
    text = stored if len(stored) > 10 else f"{stored} 00:00:00"
    return _utc_text(datetime.strptime(text[:19], LOCAL).replace(tzinfo=zone), "000000")


def _utc_text(moment: datetime, fraction: str) -> str:
    try:
        return moment.astimezone(UTC).strftime(f"%Y-%m-%dT%H:%M:%S.{fraction}Z")
    except OverflowError:
        # West of Greenwich the last evening of year 9999 is in the next year, which Carbon writes so.
        late = moment.replace(year=LAST_YEAR - 1).astimezone(UTC)
        return late.strftime(f"+010000-%m-%dT%H:%M:%S.{fraction}Z")


def sql_datetime(value: Any) -> str | None:
    """Return what the database reads from a value for a DATETIME column, or None when invalid."""
    return _read_sql(php.text_of(value).strip())


@lru_cache(maxsize=10_000)
def _read_sql(text: str) -> str | None:
    match = SQL.match(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
    if year < 100:
        year += 2000 if year < 70 else 1900
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC).strftime(LOCAL).rjust(19, "0")
    except ValueError:
        return None
