"""A sync between the databases of a benchmark and the sandbox's Krayin."""

from __future__ import annotations

from typing import Any

from chatwoot.database.source import DatabaseSource
from reconciliation.run.sync_run import Sync
from reconciliation.settings.sync_settings import SyncSettings

from benchmarks.common.chatwoot_rows import ACCOUNT
from tests.reconciliation.world import StandInAccess


def sync_of(chatwoot: str, sync: str, url: str, token: str, **settings: Any) -> Sync:
    """Return a sync with these settings; its Krayin allows as much as can be asked."""
    keys = {"name": "benchmark", "chatwoot": {"account_id": ACCOUNT}, **settings}
    return Sync(
        settings=SyncSettings.model_validate(keys),
        sync_dsn=sync,
        source=DatabaseSource(chatwoot),
        krayin=StandInAccess(url, token),
    )
