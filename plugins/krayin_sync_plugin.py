"""The one file of this folder that Airflow's plugin loader runs."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin
from krayin.unset_port import accept_unset_port


class KrayinSyncPlugin(AirflowPlugin):
    """Registers the bridge between Chatwoot and Krayin with Airflow."""

    name = "krayin_sync"

    @classmethod
    def on_load(cls, *_args: Any, **_kwargs: Any) -> None:
        """Mend the connection test of the API server."""
        accept_unset_port()
