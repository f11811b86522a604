"""The webhook receiver as an application: inside Airflow's API server, or alone.

Alone: `KRAYIN_SYNC_DATABASE_URL=postgresql://… AIRFLOW__CORE__FERNET_KEY=… PYTHONPATH=plugins
uvicorn reconciliation.web.webhook_app:standalone --factory`, with the sync files in `KRAYIN_SYNC_SYNCS` or
`include/syncs`. It then needs no Airflow; a secret may also stand in `CHATWOOT_WEBHOOK_SECRET_<SYNC>`.
"""

from __future__ import annotations

import gc
import os
import re
import time
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from chatwoot.webhook.receiver import create_app

from reconciliation.store.secret_box import SecretBox
from reconciliation.web.sync_registry import Dependencies, SyncRegistry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from fastapi import FastAPI

_FULL = 2
_LONG_SECONDS = 0.05
# What lives on may become cyclic garbage one day, which then stays: so not for ever.
_MOST_TIMES = 5


@contextmanager
def freeze_gc(clock: Callable[[], float] = time.perf_counter) -> Iterator[None]:
    """Leave what is in memory now out of this process's garbage collections while inside.

    What was made later and survived a full collection that took long follows it, a few times.
    `clock` returns seconds.
    """
    times, began = 0, 0.0

    def follow(phase: str, details: dict[str, int]) -> None:
        nonlocal times, began
        if details["generation"] != _FULL or times >= _MOST_TIMES:
            return
        if phase == "start":
            began = clock()
        elif clock() - began > _LONG_SECONDS:
            times += 1
            gc.freeze()

    gc.collect()
    gc.freeze()
    gc.callbacks.append(follow)
    try:
        yield
    finally:
        gc.callbacks.remove(follow)
        gc.unfreeze()


def standalone() -> FastAPI:
    """Return the application to be run without Airflow; everything comes from the environment."""
    return create(
        Dependencies(
            lambda: os.environ["KRAYIN_SYNC_DATABASE_URL"],
            lambda sync_name: os.environ.get(secret_variable(sync_name)),
            lambda: SecretBox(os.environ.get("AIRFLOW__CORE__FERNET_KEY", "")),
        )
    )


def secret_variable(sync_name: str) -> str:
    """Return the environment variable that may hold a sync's secret for the receiver alone."""
    return f"CHATWOOT_WEBHOOK_SECRET_{re.sub('[^A-Z0-9]', '_', sync_name.upper())}"


def create(dependencies: Dependencies) -> FastAPI:
    """Return the application; `dependencies` find what stands outside the sync files."""
    registry = SyncRegistry(dependencies)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # Airflow's API server holds so much that each full garbage collection would keep all webhooks
        # waiting for three quarters of a second.
        with freeze_gc():
            yield
        await registry.close()

    return create_app(registry, lifespan=lifespan)
