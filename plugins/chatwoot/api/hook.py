"""Chatwoot's REST API as an Airflow connection."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.http.hooks.http import HttpHook

from chatwoot.api.access import HttpOptions
from chatwoot.api.session import REQUESTS_PER_MINUTE
from chatwoot.api.source import PARALLEL, ApiSource
from chatwoot.errors import ChatwootError, UnusableConnection

if TYPE_CHECKING:
    from airflow.sdk import Connection


class ChatwootApiHook(HttpHook):
    """Opens one account of a Chatwoot through its API.

    :param chatwoot_api_conn_id: an Airflow connection of type HTTP: host (with or without https://), port
        and schema as usual, the access token as password. Its extra may hold what HttpHook takes (`verify`,
        `cert`, `proxies`, `timeout`, `trust_env`, and further headers), `requests_per_minute` (2,500
        without it; Chatwoot lets an address make 3,000) and `parallel` (calls at once, 4 without it).
    :param account_id: the Chatwoot account.
    """

    conn_name_attr = "chatwoot_api_conn_id"
    default_conn_name = "chatwoot_api_default"
    hook_name = "Chatwoot API"

    def __init__(self, chatwoot_api_conn_id: str = default_conn_name, account_id: int = 1) -> None:
        super().__init__(http_conn_id=chatwoot_api_conn_id)
        self.chatwoot_api_conn_id = chatwoot_api_conn_id
        self.account_id = account_id

    @cached_property
    def connection(self) -> Connection:
        """The Airflow connection, looked up once.

        Raises:
            AirflowNotFoundException: there is none.
            UnusableConnection: it is of another type.
        """
        connection = self.get_connection(self.chatwoot_api_conn_id)
        if connection.conn_type != self.conn_type:
            problem = (
                f"its type is {connection.conn_type!r}; Chatwoot's API needs type HTTP, with the address as "
                "host and an access token as password"
            )
            raise UnusableConnection(self.chatwoot_api_conn_id, problem)
        return connection

    def source(self, installation: str | None = None) -> ApiSource:
        """Return the account as a source; nothing is called before its first snapshot.

        `installation` is the name to go by, when another than the address.

        Raises:
            AirflowNotFoundException: there is no such Airflow connection.
            UnusableConnection: it is of another type, or a number in its extra is none.
        """
        extra = dict(self.connection.extra_dejson)
        pace = self._number(extra.pop("requests_per_minute", REQUESTS_PER_MINUTE), "requests_per_minute")
        parallel = self._number(extra.pop("parallel", PARALLEL), "parallel")
        return ApiSource(
            _address(self.connection),
            self.connection.password or "",
            self.account_id,
            installation=installation,
            requests_per_minute=pace,
            parallel=parallel,
            http=_http_options(extra),
        )

    def test_connection(self) -> tuple[bool, str]:
        """Return whether Chatwoot answers, and what was found or what is wrong."""
        try:
            with self.source().snapshot() as snapshot:
                accounts = ", ".join(f"{account.id} ({account.name})" for account in snapshot.accounts())
                return True, f"Chatwoot {snapshot.version.shown}, accounts: {accounts or 'none'}"
        except ChatwootError as error:
            return False, str(error)

    def _number(self, given: Any, name: str) -> int:
        number = int(given) if str(given).isdigit() else 0
        if number < 1:
            problem = f"{name!r} in its extra must be a number from 1 on"
            raise UnusableConnection(self.chatwoot_api_conn_id, problem)
        return number


def _http_options(extra: dict[str, Any]) -> HttpOptions:
    """Return what HttpHook reads from an extra; what it does not know is a header, as there."""
    known = {
        "verify": extra.pop("verify", extra.pop("verify_ssl", True)),
        "cert": extra.pop("cert", None),
        "proxies": extra.pop("proxies", extra.pop("proxy", None)),
        "timeout": extra.pop("timeout", None),
        "trust_env": extra.pop("trust_env", True),
    }
    for other in ("stream", "allow_redirects", "max_redirects", "check_response", "srv_lookup"):
        extra.pop(other, None)
    return HttpOptions(**known, headers={key: str(value) for key, value in extra.items()})


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
