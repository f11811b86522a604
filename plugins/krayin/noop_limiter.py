"""A limiter that never waits, for the single calls of a connection test."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from krayin.rate_limiter import Permit

if TYPE_CHECKING:
    from krayin.rate_limiter import LimitFeedback


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
