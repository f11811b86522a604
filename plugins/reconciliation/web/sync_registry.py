"""What the webhook receiver must know of the syncs, looked up without stopping its event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from chatwoot.webhook.inbox import Inbox
from chatwoot.webhook.receiver import WebhookEndpoint

from reconciliation.settings.sync_files import usable_syncs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from reconciliation.store.secret_box import SecretBox

T = TypeVar("T")

log = logging.getLogger(__name__)
SYNCS_SECONDS = 5.0
SECRETS_SECONDS = 30.0
# A wrong signature makes us look again, but not more often than this.
SECRETS_AT_LEAST = 3.0
ADDRESS_SECONDS = 60.0


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


@dataclass(frozen=True, slots=True)
class Dependencies:
    """How to find what stands outside the sync files; each is called in a thread.

    Attributes:
        sync_dsn: returns the connection string of the sync database.
        given_secret: returns the secret somebody entered for a sync, None without one.
        box: returns what decrypts the secret that setup stored.
    """

    sync_dsn: Callable[[], str]
    given_secret: Callable[[str], str | None]
    box: Callable[[], SecretBox]


class SyncRegistry:
    """The `WebhookConfig` of `chatwoot.webhook.receiver`, over the sync files and the sync database."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._endpoints = TTLCache(partial(asyncio.to_thread, _endpoints), SYNCS_SECONDS)
        self._dsn = TTLCache(partial(asyncio.to_thread, dependencies.sync_dsn), ADDRESS_SECONDS)
        self._secrets: dict[str, TTLCache[tuple[str, ...]]] = {}
        self._inbox: tuple[str, Inbox] | None = None

    async def endpoint(self, sync_name: str) -> WebhookEndpoint | None:
        """Return what the URL of a sync takes, None when no good sync file has this name."""
        return (await self._endpoints.get()).get(sync_name)

    async def secrets(self, sync_name: str, *, fresh: bool = False) -> Sequence[str]:
        """Return the secrets of a known sync: the one setup stored, and the one somebody entered."""
        if sync_name not in self._secrets:
            self._secrets[sync_name] = TTLCache(partial(self._find_secrets, sync_name), SECRETS_SECONDS)
        return await self._secrets[sync_name].get(SECRETS_AT_LEAST if fresh else None)

    async def inbox(self) -> Inbox:
        """Return the inbox in the sync database, another one when the connection was changed."""
        dsn = await self._dsn.get()
        if self._inbox is None or self._inbox[0] != dsn:
            old, self._inbox = self._inbox, (dsn, Inbox(dsn))
            if old is not None:
                await old[1].close()
        return self._inbox[1]

    async def close(self) -> None:
        """Close the connections."""
        if self._inbox is not None:
            await self._inbox[1].close()
            self._inbox = None

    async def _find_secrets(self, sync_name: str) -> tuple[str, ...]:
        inbox = await self.inbox()
        rows = await inbox.fetch("webhook/registration_read", {"sync_name": sync_name})
        sealed = rows[0][2] if rows else None
        stored = None if sealed is None else await asyncio.to_thread(self._opened, sealed)
        given = await asyncio.to_thread(self._dependencies.given_secret, sync_name)
        return tuple(dict.fromkeys(secret for secret in (stored, given) if secret))

    def _opened(self, sealed: bytes) -> str | None:
        secret = self._dependencies.box().open(bytes(sealed))
        if secret is None:
            log.warning("A webhook's secret was stored under another Fernet key: run krayin_setup again.")
        return secret


def _endpoints() -> dict[str, WebhookEndpoint]:
    return {
        sync.name: WebhookEndpoint(sync.chatwoot.account_id, sync.enabled, sync.webhook.allow_unsigned)
        for sync in usable_syncs()
    }
