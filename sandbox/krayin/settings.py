"""How the stand-in's installation is set up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Instance = Literal["limited", "unlimited", "limited-debug", "unlimited-debug"]
INSTANCES: tuple[str, ...] = get_args(Instance)
SHIPPED_LIMIT = 60
RAISED_LIMIT = 100_000


@dataclass(slots=True)
class Settings:
    """Switches of one running server.

    Attributes:
        token: API token of the administrator.
        instance: ``limited`` is as shipped (60 calls a minute), ``unlimited`` has 100,000; ``-debug``
            runs with APP_DEBUG=true, which shows 401, 405 and 429 instead of 500.
        timezone: APP_TIMEZONE.
        requests_per_minute: replaces the instance's limit when set.
        latency_ms: added to every API call.
        persons_email_required: the flag of the persons attribute ``emails``.
        races: this many parallel writes of persons or leads validate before the first of them writes, as
            on a real server with several workers; 0 runs one request after the other.
    """

    token: str = "1|sandbox"
    instance: Instance = "unlimited"
    timezone: str = "Asia/Kolkata"
    requests_per_minute: int | None = None
    latency_ms: float = 0.0
    persons_email_required: bool = True
    races: int = 0

    @property
    def debug(self) -> bool:
        """Whether APP_DEBUG is true."""
        return self.instance.endswith("-debug")

    @property
    def limit(self) -> int:
        """Calls a minute that each user may make."""
        if self.requests_per_minute is not None:
            return self.requests_per_minute
        return SHIPPED_LIMIT if self.instance.startswith("limited") else RAISED_LIMIT
