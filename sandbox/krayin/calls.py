"""A record of every API call the server received."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

KEPT = 500_000
LONGEST_BODY = 20_000


@dataclass(slots=True)
class Received:
    """One API call.

    Attributes:
        time: seconds since 1970 UTC, when the call arrived.
        finished: when its answer went out, or None for a dropped connection.
        status: HTTP status of the answer, None for a dropped connection.
        remaining: X-RateLimit-Remaining of the answer.
        faults: kinds of the faults that met it.
    """

    time: float
    method: str
    path: str
    query: str
    status: int | None = None
    remaining: int | None = None
    finished: float | None = None
    user_id: int | None = None
    faults: tuple[str, ...] = ()
    request: str = ""
    response: str = ""

    def shown(self, *, bodies: bool) -> dict[str, Any]:
        """Return the call as JSON, with or without its bodies."""
        values = asdict(self)
        if not bodies:
            del values["request"], values["response"]
        return values


class CallLog:
    """The calls received, oldest first, the newest half million kept."""

    def __init__(self) -> None:
        self._calls: deque[Received] = deque(maxlen=KEPT)
        self.total = 0

    def add(self, call: Received) -> None:
        """Keep a call."""
        self.total += 1
        self._calls.append(call)

    def clear(self) -> None:
        """Forget all calls."""
        self._calls.clear()
        self.total = 0

    def shown(self, *, bodies: bool) -> list[dict[str, Any]]:
        """Return all calls as JSON."""
        return [call.shown(bodies=bodies) for call in list(self._calls)]


def cut(content: bytes) -> str:
    """Return a body as text of bounded length."""
    return content[:LONGEST_BODY].decode("utf-8", "replace")
