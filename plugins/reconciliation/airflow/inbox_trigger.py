"""Wakes a sync's events run when webhooks wait, or when a worker died that brought some over."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from krayin.permits import Lane
from statements import statement

from reconciliation.settings.sync_settings import SYNC_DB_CONN_ID

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    import psycopg

DIRECT_CONN_ID = "sync_db_direct"
"""The sync database without a pooler between, where there is one that lets no LISTEN through."""
# How often it looks by itself: a hint may be lost with its connection, and does not come through a pooler.
LOOK_EVERY = 5.0
# How often it looks whether the run it asked for has begun.
ASKED_EVERY = 0.3
ASKED_EVERY_LATER = 5.0
PATIENT_FOR = 30.0
# Airflow drops what it was asked for while the DAG is paused.
ASK_AGAIN_AFTER = 60.0
LONGEST_PAUSE = 60.0
CONNECT_TIMEOUT = 10


class InboxTrigger(BaseEventTrigger):
    """Yields once for all events that wait, and again only after a run has taken them.

    It listens on PostgreSQL and begins by looking at what waits, so that a restart loses nothing. Its own
    errors make it pause (up to a minute) and are logged; they never start a run.

    :param sync_name: the sync whose inbox is watched.
    """

    def __init__(self, sync_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        self.sync_name = sync_name

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and arguments; no secret is among them."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {"sync_name": self.sync_name}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield an event whenever a run is needed; never ends."""
        failures = 0
        while True:
            try:
                async with await self._connect() as connection:
                    async for event in self._wakes(connection):
                        failures = 0
                        yield event
            except Exception as error:  # noqa: BLE001 - raised, Airflow would start it anew every few seconds
                failures += 1
                pause = min(2.0**failures, LONGEST_PAUSE)
                self.log.warning(
                    "The inbox of %s cannot be watched now (%s); next try in %.0f s",
                    self.sync_name,
                    type(error).__name__,
                    pause,
                )
                await asyncio.sleep(pause)

    async def _connect(self) -> psycopg.AsyncConnection[tuple[Any, ...]]:
        try:
            connection = await BaseHook.aget_connection(DIRECT_CONN_ID)
        except AirflowNotFoundException:
            connection = await BaseHook.aget_connection(SYNC_DB_CONN_ID)
        # Only the triggerer needs them: every parse of the DAG file would import them otherwise.
        import psycopg  # noqa: PLC0415
        from chatwoot.database.hook import conninfo  # noqa: PLC0415

        return await psycopg.AsyncConnection.connect(
            conninfo(connection),
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT,
            application_name="krayin_sync_trigger",
            keepalives_idle=30,
            prepare_threshold=None,
        )

    async def _wakes(
        self, connection: psycopg.AsyncConnection[tuple[Any, ...]]
    ) -> AsyncIterator[TriggerEvent]:
        await connection.execute(statement("webhook/listen"))
        clock = asyncio.get_running_loop().time
        asked: float | None = None
        asked_after: datetime | None = None
        while True:
            waiting, last_claim, is_listening = await self._look(connection)
            if asked is not None and (last_claim != asked_after or clock() - asked > ASK_AGAIN_AFTER):
                asked = None
            if is_listening:
                # That run takes what waits, and tells when it goes.
                await self._hint(connection)
            elif waiting and asked is None:
                asked, asked_after = clock(), last_claim
                yield TriggerEvent({"sync": self.sync_name})  # type: ignore[no-untyped-call]
            elif waiting and asked is not None:
                # One run takes all that waits by then: asking again would only add an empty one.
                await asyncio.sleep(ASKED_EVERY if clock() - asked < PATIENT_FOR else ASKED_EVERY_LATER)
            else:
                asked = None
                await self._hint(connection)

    async def _look(
        self, connection: psycopg.AsyncConnection[tuple[Any, ...]]
    ) -> tuple[bool, datetime | None, bool]:
        parameters = {"sync_name": self.sync_name, "lane": int(Lane.LIVE)}
        cursor = await connection.execute(statement("webhook/waiting"), parameters)
        row = await cursor.fetchone()
        assert row is not None
        return row[0], row[1], row[2]

    async def _hint(self, connection: psycopg.AsyncConnection[tuple[Any, ...]]) -> None:
        """Wait until a hint for this sync comes, or for as long as one may be missed."""
        # Closed here and now: left to the garbage collector, it would hold the connection's lock for a while.
        async with aclosing(connection.notifies(timeout=LOOK_EVERY)) as hints:
            async for notify in hints:
                if notify.payload == self.sync_name:
                    break
        # A storm leaves many hints behind; one look answers all that are here by now.
        async with aclosing(connection.notifies(timeout=0)) as hints:
            async for _ in hints:
                pass
