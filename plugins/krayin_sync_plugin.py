"""The one file of this folder that Airflow's plugin loader runs."""

from __future__ import annotations

import sys
from typing import Any

from airflow.plugins_manager import AirflowPlugin
from krayin.unset_port import accept_unset_port
from reconciliation.airflow.preload import preload


def _applications() -> list[Any]:
    """Return receiver and status page, in the API server only: elsewhere they would cost tasks imports."""
    if "airflow.api_fastapi.app" not in sys.modules:
        return []
    from reconciliation.airflow import web  # noqa: PLC0415
    from reconciliation.web.webhook_setup import URL_PREFIX  # noqa: PLC0415 - see above

    return [
        {"app": web.webhook_receiver(), "name": "chatwoot", "url_prefix": URL_PREFIX},
        {"app": web.status_page(), "name": "krayin_sync", "url_prefix": web.PAGES_PREFIX},
    ]


class KrayinSyncPlugin(AirflowPlugin):
    """Registers the bridge between Chatwoot and Krayin with Airflow."""

    name = "krayin_sync"
    fastapi_apps = _applications()
    # Without url_route the page opens by itself: inside Airflow's frame its links to DAGs would be dead.
    # In the menu Browse, as Airflow 3.3 makes such a link at the top level a button that leads nowhere.
    external_views: list[Any] = [  # noqa: RUF012 - as Airflow declares it
        {"name": "Krayin sync", "href": "krayin-sync/", "destination": "nav", "category": "browse"}
    ]

    @classmethod
    def on_load(cls, *_args: Any, **_kwargs: Any) -> None:
        """Mend the API server's connection test, or make the scheduler's tasks start sooner."""
        accept_unset_port()
        preload()
