"""Chatwoot's throttle by address: so many requests in each full minute of the clock."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MINUTE = 60


class Limiter:
    """Counts requests; threads share it."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._counts: Counter[str] = Counter()
        self._minute = 0
        self._lock = threading.Lock()

    def left_out(self, key: str, limit: int) -> int:
        """Count a request; return 0 if it is let through, else the seconds until the minute ends."""
        now = self._clock()
        minute = int(now) // _MINUTE
        with self._lock:
            if minute != self._minute:
                self._counts.clear()
                self._minute = minute
            self._counts[key] += 1
            over = self._counts[key] > limit
        return _MINUTE - int(now) % _MINUTE if over else 0
