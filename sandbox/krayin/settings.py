"""How the stand-in's installation is set up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from sandbox.krayin.versions import (
    RELEASES,
    STORAGES,
    DatabaseName,
    HandlerName,
    Storage,
    Version,
    VersionName,
)

Instance = Literal["limited", "unlimited", "limited-debug", "unlimited-debug"]
INSTANCES: tuple[str, ...] = get_args(Instance)
LIMIT = 60


@dataclass(slots=True)
class Settings:
    """Switches of one running server.

    Attributes:
        token: API token of the administrator.
        instance: ``limited`` has 60 calls a minute, as Krayin 2.1 is shipped; ``unlimited`` has 100,000
            there and no limiter in Krayin 2.2, as that is shipped; ``-debug`` runs with APP_DEBUG=true,
            which shows 401, 405 and 429 instead of 500.
        version: of Krayin, with the REST API that belongs to it.
        handler: whose exception handler answers: Krayin's own, as ``shipped``, or the one of ``rest-api``.
        database: the database below, which differs in JSON columns.
        timezone: APP_TIMEZONE.
        requests_per_minute: a limit for each user instead of the instance's.
        latency_ms: added to every API call.
        slow_beyond: so many calls at once are all it bears: with more, latency_ms grows with their number.
        persons_email_required: the flag of the persons attribute ``emails``.
        races: this many parallel writes of persons or leads validate before the first of them writes, as
            on a real server with several workers; 0 runs one request after the other.
    """

    token: str = "1|sandbox"
    instance: Instance = "unlimited"
    version: VersionName = "2.1"
    handler: HandlerName = "shipped"
    database: DatabaseName = "mariadb"
    timezone: str = "Asia/Kolkata"
    requests_per_minute: int | None = None
    latency_ms: float = 0.0
    slow_beyond: int | None = None
    persons_email_required: bool = True
    races: int = 0

    @property
    def debug(self) -> bool:
        """Whether APP_DEBUG is true."""
        return self.instance.endswith("-debug")

    @property
    def limit(self) -> int | None:
        """Calls a minute that each user may make; None where there is no limiter."""
        if self.requests_per_minute is not None:
            return self.requests_per_minute
        return LIMIT if self.instance.startswith("limited") else self.release.usual_limit

    @property
    def release(self) -> Version:
        """What this version does otherwise than another."""
        return RELEASES[self.version]

    @property
    def storage(self) -> Storage:
        """What this database does otherwise than another."""
        return STORAGES[self.database]
