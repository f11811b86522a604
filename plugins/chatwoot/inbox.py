"""Where accepted webhooks are kept until a run acts upon them."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg_pool import AsyncConnectionPool
from statements import statement

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any
    from uuid import UUID

    from chatwoot.payload_ids import EntityRef

log = logging.getLogger(__name__)

LARGEST_POOL = 6
# Chatwoot waits five seconds in all.
POOL_WAIT = 3.0
CONNECT_TIMEOUT = 3


@dataclass(frozen=True, slots=True)
class InboxEvent:
    """A webhook worth keeping; `content_hash` is a digest of `body`, the raw bytes."""

    sync_name: str
    delivery_id: UUID | None
    event: str
    entities: Sequence[EntityRef]
    signed: bool
    content_hash: bytes
    body: bytes


class Inbox:
    """The table `inbox_event` behind a small pool of its own, opened when first needed.

    Belongs to one event loop.
    """

    def __init__(self, conninfo: str) -> None:
        """Name the sync database by its libpq connection string."""
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[tuple[Any, ...]]] = AsyncConnectionPool(
            conninfo,
            kwargs={
                "autocommit": True,
                "connect_timeout": CONNECT_TIMEOUT,
                "application_name": "krayin_sync_webhooks",
                "keepalives_idle": 30,
            },
            min_size=1,
            max_size=LARGEST_POOL,
            max_idle=300,
            timeout=POOL_WAIT,
            # A restart of PostgreSQL leaves dead connections in the pool.
            check=AsyncConnectionPool.check_connection,
            open=False,
            name="krayin-sync-inbox",
        )
        self._opened = False
        self._waking: dict[str, bool] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def store(self, event: InboxEvent) -> bool:
        """Commit `event` and wake the sync's run; False when it is a repetition.

        Raises:
            psycopg.Error, psycopg_pool.PoolTimeout: the database does not take it now.
        """
        row = await self.fetch(
            "inbox/store",
            {
                "sync_name": event.sync_name,
                "delivery_id": event.delivery_id,
                "event": event.event,
                "entities": [str(entity) for entity in event.entities],
                "signed": event.signed,
                "content_hash": event.content_hash,
                "body": event.body,
            },
        )
        if row is None:
            return False
        self._wake(event.sync_name)
        return True

    async def fetch(self, name: str, parameters: dict[str, Any]) -> tuple[Any, ...] | None:
        """Run a statement and return its first row."""
        if not self._opened:
            self._opened = True
            await self._pool.open()
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement(name), parameters)
            return await cursor.fetchone()

    async def close(self) -> None:
        """Send the last hint and close the pool's connections."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=POOL_WAIT)
        await self._pool.close()

    def _wake(self, sync_name: str) -> None:
        # Commits that notify wait for each other in PostgreSQL: in a storm one hint speaks for many events.
        if sync_name in self._waking:
            self._waking[sync_name] = True
            return
        self._waking[sync_name] = False
        task = asyncio.get_running_loop().create_task(self._notify(sync_name))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notify(self, sync_name: str) -> None:
        try:
            again = True
            while again:
                self._waking[sync_name] = False
                await self.fetch("inbox/wake", {"sync_name": sync_name})
                again = self._waking[sync_name]
        except (psycopg.Error, OSError) as error:
            # The event is committed; the trigger and the sweep look by themselves.
            log.warning("The run of %s could not be woken: %s", sync_name, type(error).__name__)
        finally:
            self._waking.pop(sync_name, None)
