"""The one file of this folder that Airflow's plugin loader runs."""

from __future__ import annotations

import sys
from typing import Any

from airflow.plugins_manager import AirflowPlugin
from krayin.unset_port import accept_unset_port
from reconciliation.preload import preload


def _applications() -> list[Any]:
    """Return the webhook receiver, in the API server only: elsewhere it would cost every task its imports."""
    if "airflow.api_fastapi.app" not in sys.modules:
        return []
    from reconciliation.webhook_app import in_airflow  # noqa: PLC0415 - see above
    from reconciliation.webhook_setup import URL_PREFIX  # noqa: PLC0415

    return [{"app": in_airflow(), "name": "chatwoot", "url_prefix": URL_PREFIX}]


class KrayinSyncPlugin(AirflowPlugin):
    """Registers the bridge between Chatwoot and Krayin with Airflow."""

    name = "krayin_sync"
    fastapi_apps = _applications()

    @classmethod
    def on_load(cls, *_args: Any, **_kwargs: Any) -> None:
        """Mend the API server's connection test, or make the scheduler's tasks start sooner."""
        accept_unset_port()
        preload()
