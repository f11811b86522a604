"""Where accepted webhooks are kept until a run acts upon them."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from statements import statement
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from chatwoot.webhook.payload_ids import EntityRef

LARGEST_BATCH = 500
LARGEST_BATCH_BYTES = 8 * 1024 * 1024
# Chatwoot waits five seconds in all and never sends again: a restart of PostgreSQL is waited for.
PATIENCE = 3.0
PAUSE = 0.2
CONNECT_TIMEOUT = 2


@dataclass(frozen=True, slots=True)
class InboxEvent:
    """A webhook worth keeping; `content_hash` is a digest of the bytes that came."""

    sync_name: str
    delivery_id: UUID | None
    event: str
    entities: Sequence[EntityRef]
    signed: bool
    content_hash: bytes
    body: bytes

    @property
    def key(self) -> tuple[str, bytes, UUID | None]:
        """What tells its row from others."""
        return self.sync_name, self.content_hash, self.delivery_id


class Inbox:
    """The table `inbox_event` behind one connection of its own, opened when first needed.

    Events that come while a commit is under way are committed together by the next one: a commit
    costs the same for one event as for hundreds. Belongs to one event loop.
    """

    def __init__(self, conninfo: str) -> None:
        """Name the sync database by its libpq connection string."""
        self._conninfo = conninfo
        self._connection: psycopg.AsyncConnection[tuple[Any, ...]] | None = None
        self._opening = asyncio.Lock()
        self._waiting: deque[tuple[InboxEvent, asyncio.Future[bool]]] = deque()
        self._writer: asyncio.Task[None] | None = None

    async def store(self, event: InboxEvent) -> bool:
        """Commit `event` and wake the sync's run; False when it is a repetition.

        Raises:
            psycopg.Error: the database does not take it now.
        """
        kept: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((event, kept))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        return await kept

    async def fetch(self, name: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows.

        Raises:
            psycopg.Error: the database does not answer, also not after some seconds of trying.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(psycopg.OperationalError),
            stop=stop_after_delay(PATIENCE),
            wait=wait_fixed(PAUSE),
            reraise=True,
        )
        return await retrying(self._fetch, name, parameters)

    async def close(self) -> None:
        """Commit what waits and close the connection."""
        if self._writer is not None:
            await self._writer
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _fetch(self, name: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        connection = await self._open()
        try:
            # Not by the session's statement_timeout: through a pooler it would become another's too.
            async with asyncio.timeout(PATIENCE):
                cursor = await connection.execute(statement(name), parameters)
                return await cursor.fetchall()
        except TimeoutError:
            message = f"{name} took longer than {PATIENCE:.0f} s"
            raise psycopg.errors.QueryCanceled(message) from None

    async def _open(self) -> psycopg.AsyncConnection[tuple[Any, ...]]:
        async with self._opening:
            if self._connection is None or self._connection.closed:
                self._connection = await psycopg.AsyncConnection.connect(
                    self._conninfo,
                    autocommit=True,
                    connect_timeout=CONNECT_TIMEOUT,
                    application_name="krayin_sync_webhooks",
                    keepalives_idle=30,
                    # A network that swallows packets shows as an error while somebody still waits.
                    tcp_user_timeout=round(PATIENCE * 1000),
                    # Poolers that switch connections between transactions do not know prepared statements.
                    prepare_threshold=None,
                )
            return self._connection

    async def _write(self) -> None:
        try:
            while batch := self._next_batch():
                await self._keep(batch)
        finally:
            self._writer = None

    def _next_batch(self) -> list[tuple[InboxEvent, asyncio.Future[bool]]]:
        batch: list[tuple[InboxEvent, asyncio.Future[bool]]] = []
        size = 0
        while self._waiting and len(batch) < LARGEST_BATCH and size < LARGEST_BATCH_BYTES:
            event, kept = self._waiting.popleft()
            # Who gave up was told that it is not kept.
            if not kept.done():
                batch.append((event, kept))
                size += len(event.body)
        return batch

    async def _keep(self, batch: Sequence[tuple[InboxEvent, asyncio.Future[bool]]]) -> None:
        try:
            rows = await self.fetch("webhook/store", _columns([event for event, _ in batch]))
        except Exception as error:  # noqa: BLE001 - each of those who wait raises it
            for _, kept in batch:
                if not kept.done():
                    kept.set_exception(error)
            return
        new = {(row[0], bytes(row[1]), row[2]) for row in rows}
        for event, kept in batch:
            is_new = event.key in new
            new.discard(event.key)
            if not kept.done():
                kept.set_result(is_new)


def _columns(events: Sequence[InboxEvent]) -> dict[str, list[Any]]:
    # In one order everywhere: two processes that keep the same events then never wait for each other.
    events = sorted(events, key=lambda event: event.content_hash)
    return {
        "sync_names": [event.sync_name for event in events],
        "delivery_ids": [event.delivery_id for event in events],
        "events": [event.event for event in events],
        "entities": [" ".join(map(str, event.entities)) for event in events],
        "signed": [event.signed for event in events],
        "content_hashes": [event.content_hash for event in events],
        "bodies": [event.body for event in events],
    }
