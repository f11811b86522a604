"""Chatwoot's REST API as an Airflow connection."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseHook

from chatwoot.api.client import ChatwootApi
from chatwoot.api.session import REQUESTS_PER_MINUTE
from chatwoot.api.source import PARALLEL, ApiSource
from chatwoot.errors import ChatwootError


class ChatwootApiMisconfigured(ChatwootError):  # noqa: N818 - named like its siblings
    """The Airflow connection is not what the API needs; somebody must change it."""

    def __init__(self, conn_id: str, problem: str) -> None:
        self.conn_id = conn_id
        self.problem = problem
        super().__init__(f"Airflow connection {conn_id!r}: {problem}")


class ChatwootApiHook(BaseHook):
    """Opens one account of a Chatwoot through its API.

    :param chatwoot_api_conn_id: an Airflow connection of type HTTP: host (with or without https://), port
        and schema as usual, the access token as password. Its extra may hold `requests_per_minute` (2,500
        without it; Chatwoot lets an address make 3,000) and `parallel` (calls at once, 4 without it).
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
            ChatwootApiMisconfigured: it is of another type.
        """
        connection = self._connection()
        return ChatwootApi(_address(connection), connection.password or "", self.account_id)

    def source(self, installation: str | None = None) -> ApiSource:
        """Return the account as a source; nothing is called before its first snapshot.

        `installation` is the name to go by, when another than the address.

        Raises:
            AirflowNotFoundException: there is no such Airflow connection.
            ChatwootApiMisconfigured: it is of another type, or a number in its extra is none.
        """
        connection = self._connection()
        return ApiSource(
            _address(connection),
            connection.password or "",
            self.account_id,
            installation=installation,
            requests_per_minute=self._number(connection, "requests_per_minute", REQUESTS_PER_MINUTE),
            parallel=self._number(connection, "parallel", PARALLEL),
        )

    def test_connection(self) -> tuple[bool, str]:
        """Return whether Chatwoot answers, and what was found or what is wrong."""
        try:
            with self.source().snapshot() as snapshot:
                accounts = ", ".join(f"{account.id} ({account.name})" for account in snapshot.accounts())
                return True, f"Chatwoot {snapshot.version.shown}, accounts: {accounts or 'none'}"
        except ChatwootError as error:
            return False, str(error)

    def _connection(self) -> Any:
        connection = self.get_connection(self.chatwoot_api_conn_id)
        if connection.conn_type != self.conn_type:
            problem = (
                f"its type is {connection.conn_type!r}; Chatwoot's API needs type HTTP, with the address as "
                "host and an access token as password"
            )
            raise ChatwootApiMisconfigured(self.chatwoot_api_conn_id, problem)
        return connection

    def _number(self, connection: Any, name: str, default: int) -> int:
        given = connection.extra_dejson.get(name, default)
        number = int(given) if str(given).isdigit() else 0
        if number < 1:
            problem = f"{name!r} in its extra must be a number from 1 on"
            raise ChatwootApiMisconfigured(self.chatwoot_api_conn_id, problem)
        return number


def _address(connection: Any) -> str:
    host = (connection.host or "").strip()
    if "://" not in host:
        host = f"{connection.schema or 'https'}://{host}"
    if not connection.port:
        return host
    scheme, _, rest = host.partition("://")
    name, slash, path = rest.partition("/")
    if not name.endswith(f":{connection.port}"):
        name = f"{name}:{connection.port}"
    return f"{scheme}://{name}{slash}{path}"
