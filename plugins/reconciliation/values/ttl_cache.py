"""A value that is costly to look up and may be some seconds old."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


class TTLCache(Generic[T]):
    """Looks a value up when it is older than asked for; many callers share one look-up.

    While it is looked up, and when that fails, the last value serves.
    """

    def __init__(
        self, look_up: Callable[[], Awaitable[T]], seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take how to look it up and how old it may be, in seconds."""
        self._look_up = look_up
        self._seconds = seconds
        self._clock = clock
        self._lock = asyncio.Lock()
        self._kept: tuple[float, T] | None = None

    async def get(self, max_age: float | None = None) -> T:
        """Return a value at most `max_age` (else the usual number of) seconds old, if it can be had.

        Raises:
            Exception: what the look-up raised, when there was no value yet.
        """
        kept = self._kept
        if kept is not None and (self._young(kept, max_age) or (max_age is None and self._lock.locked())):
            return kept[1]
        async with self._lock:
            kept = self._kept
            if kept is not None and self._young(kept, max_age):
                return kept[1]
            try:
                self._kept = (self._clock(), await self._look_up())
            except Exception:
                if kept is None:
                    raise
                self._kept = (self._clock(), kept[1])
            return self._kept[1]

    def _young(self, kept: tuple[float, T], max_age: float | None) -> bool:
        return self._clock() - kept[0] < (self._seconds if max_age is None else max_age)
