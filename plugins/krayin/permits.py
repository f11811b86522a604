"""What the client needs of whatever paces its calls, and a limiter that never does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Protocol


class Lane(IntEnum):
    """Who waits for a permit of the rate budget; a lower number goes first."""

    LIVE = 0
    SCHEDULED = 1
    RETRY = 2
    BACKFILL = 3
    DRIFT = 4


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to make one call now.

    `number` and `fence` name the permit to the budget; `granted_at` is the database's clock, UTC.
    """

    number: int
    fence: int
    granted_at: datetime


@dataclass(frozen=True, slots=True)
class LimitFeedback:
    """What one call's answer said about the limit.

    `limit` and `remaining` are `X-RateLimit-Limit` and `X-RateLimit-Remaining`, None when the
    headers were absent. `refused` is true when the call was turned away by the limiter, in
    either form (CONTRACT: 429, or 500 without these headers after a remaining of 0).
    `retry_after` is in seconds, None when the server did not say.
    `seconds` is how long a good answer of `route`, under the shared limit, took; None for any other.
    `failed` is true when the server could not answer properly (5xx).
    """

    limit: int | None = None
    remaining: int | None = None
    refused: bool = False
    retry_after: float | None = None
    route: str | None = None
    seconds: float | None = None
    failed: bool = False


class RateLimiter(Protocol):
    """Grants the permits of one API user's rate budget to one lane."""

    def acquire(self) -> Permit:
        """Wait until a call may be made and return leave to make it."""
        ...

    def settle(self, permit: Permit, answer: LimitFeedback | None) -> None:
        """Say how the call ended; `None` when no answer came (connection failed or timed out)."""
        ...

    def near_limit(self) -> bool:
        """Return whether the window is used up or nearly so, as far as all workers' answers tell."""
        ...


class NoopLimiter:
    """Grants every call at once; never use it where calls are many."""

    def acquire(self) -> Permit:
        """Return leave to make a call now."""
        return Permit(number=0, fence=0, granted_at=datetime.now(UTC))

    def settle(self, permit: Permit, answer: LimitFeedback | None) -> None:
        """Take no notice of how the call ended."""

    def near_limit(self) -> bool:
        """Know nothing of the window."""
        return False
