"""The one file of this folder that Airflow's plugin loader runs."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin


class KrayinSyncPlugin(AirflowPlugin):
    """Registers the bridge between Chatwoot and Krayin with Airflow."""

    name = "krayin_sync"
