"""Laravel's throttle: a fixed window per key, from the first call on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.krayin.errors import TooManyRequestsError

if TYPE_CHECKING:
    from sandbox.krayin.clock import Clock


@dataclass(slots=True)
class _Window:
    ends: int
    hits: int = 0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a throttle granted: its limit and how many calls remain in the window."""

    limit: int
    remaining: int

    def add_to(self, headers: dict[str, str]) -> None:
        """Put the X-RateLimit headers, unless an inner throttle already left fewer or as many."""
        inner = headers.get("X-RateLimit-Remaining")
        if inner is not None and int(inner) <= self.remaining:
            return
        headers["X-RateLimit-Limit"] = str(self.limit)
        headers["X-RateLimit-Remaining"] = str(self.remaining)


class Limiter:
    """Counts calls per key."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[str, _Window] = {}

    def clear(self) -> None:
        """Forget all windows."""
        self._windows.clear()

    def admit(self, key: str, limit: int, seconds: int) -> Allowance:
        """Count a call.

        Args:
            key: whose calls are counted together.
            limit: calls allowed in a window.
            seconds: length of a window; it starts with its first call and is never extended.

        Raises:
            TooManyRequestsError: the window's calls are used up; the call is not counted.
        """
        now = self._clock.timestamp()
        window = self._windows.get(key)
        if window is None or now >= window.ends:
            window = self._windows[key] = _Window(now + seconds)
        if window.hits >= limit:
            raise TooManyRequestsError(
                {
                    "X-RateLimit-Limit": str(limit),
                    "X-RateLimit-Remaining": "0",
                    "Retry-After": str(window.ends - now),
                    "X-RateLimit-Reset": str(window.ends),
                }
            )
        window.hits += 1
        return Allowance(limit, limit - window.hits)
