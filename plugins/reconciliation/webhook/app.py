"""The webhook receiver as an application: inside Airflow's API server, or alone.

Alone: `KRAYIN_SYNC_DATABASE_URL=postgresql://… AIRFLOW__CORE__FERNET_KEY=… PYTHONPATH=plugins
uvicorn reconciliation.webhook.app:standalone --factory`, with the sync files in `KRAYIN_SYNC_SYNCS` or
`include/syncs`. It then needs no Airflow; a secret may also stand in `CHATWOOT_WEBHOOK_SECRET_<SYNC>`.
"""

from __future__ import annotations

import os
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from chatwoot.webhook.receiver import create_app

from reconciliation.sync_database.secret_box import SecretBox
from reconciliation.webhook.gc_tuning import freeze_gc
from reconciliation.webhook.sync_registry import Dependencies, SyncRegistry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI


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
