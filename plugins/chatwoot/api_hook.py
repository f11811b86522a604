"""Chatwoot's REST API as an Airflow connection."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseHook

from chatwoot.api_client import ChatwootApi


class ChatwootApiHook(BaseHook):
    """Opens one account of a Chatwoot through its API.

    :param chatwoot_api_conn_id: an Airflow connection of type HTTP: host (with or without https://), port
        and schema as usual, the access token as password. Nothing in its extra is used.
    :param account_id: the Chatwoot account.
    """

    conn_name_attr = "chatwoot_api_conn_id"
    default_conn_name = "chatwoot_api_default"
    conn_type = "http"
    hook_name = "Chatwoot API"

    def __init__(
        self, chatwoot_api_conn_id: str = default_conn_name, account_id: int = 1, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.chatwoot_api_conn_id = chatwoot_api_conn_id
        self.account_id = account_id

    def get_conn(self) -> ChatwootApi:
        """Return the API; nothing is called yet.

        Raises:
            AirflowNotFoundException: there is no such Airflow connection.
        """
        connection = self.get_connection(self.chatwoot_api_conn_id)
        host = connection.host or ""
        if "://" not in host:
            host = f"{connection.schema or 'https'}://{host}"
        if connection.port:
            host = f"{host.rstrip('/')}:{connection.port}"
        return ChatwootApi(host, connection.password or "", self.account_id)
