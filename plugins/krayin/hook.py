"""Airflow's connection to a Krayin CRM."""

from __future__ import annotations

from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseHook

from krayin.client import KrayinClient
from krayin.errors import ConfigurationError, KrayinError
from krayin.permits import NoopLimiter
from krayin.routes import access_key, find_api

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Connection

    from krayin.permits import RateLimiter
    from krayin.session import ApiCall

_found: dict[str, str] = {}
_finding = Lock()


class KrayinHook(BaseHook):
    """A connection of type `krayin`: host is the API URL, password the Sanctum token.

    The extra `requests_per_minute` is the budget of the API user. Login, schema and port are
    not used.
    """

    conn_name_attr = "krayin_conn_id"
    default_conn_name = "krayin_default"
    conn_type = "krayin"
    hook_name = "Krayin CRM"

    def __init__(self, krayin_conn_id: str = default_conn_name) -> None:
        """Name the Airflow connection; it is not read yet."""
        super().__init__()
        self.krayin_conn_id = krayin_conn_id

    @cached_property
    def connection(self) -> Connection:
        """The Airflow connection, looked up once; raises AirflowNotFoundException."""
        return self.get_connection(self.krayin_conn_id)

    def key(self) -> str:
        """Return what tells this address and token from others, without giving the token away.

        Raises:
            ConfigurationError: there is no address.
        """
        return access_key(self.address(), self.connection.password or "")

    def requests_per_minute(self) -> int | Literal["auto"]:
        """Return how many calls the API user may make in a minute; `auto` leaves it to Krayin's answers.

        Raises:
            ConfigurationError: what stands in the connection is neither `auto` nor a whole number from 1.
        """
        value = self.connection.extra_dejson.get("requests_per_minute")
        if value in (None, "", "auto"):
            return "auto"
        try:
            number = int(value)
        except (TypeError, ValueError):
            number = 0
        if number < 1:
            message = (
                f"connection {self.krayin_conn_id}: requests_per_minute must be a whole number of at least 1,"
                " or left empty"
            )
            raise ConfigurationError(message)
        return number

    def client(self, limiter: RateLimiter, on_call: Callable[[ApiCall], None]) -> KrayinClient:
        """Return a client whose calls are paced by `limiter` and told to `on_call`.

        The base address is looked for once in a process, which costs nothing of the budget.

        Raises:
            ConfigurationError: the address or the token cannot be right.
            NotSent: the address does not answer.
            ServerFailed: a gateway or maintenance page answered; try again later.
        """
        address = self.address()
        with _finding:
            if address not in _found:
                _found[address] = find_api(address)
            base_url = _found[address]
        return KrayinClient(base_url, self._token(), limiter=limiter, on_call=on_call)

    def test_connection(self) -> tuple[bool, str]:
        """Ask Krayin who we are; return whether that worked and what was found or is wrong."""
        try:
            token = self._token()
            base_url = find_api(self.address())
            self.requests_per_minute()
            with KrayinClient(base_url, token, limiter=NoopLimiter(), retries=0) as client:
                user = client.whoami()
        except KrayinError as error:
            return False, error.reason
        found = f"Krayin answers at {base_url}; the token belongs to {user.name} (user {user.id})."
        if user.view_permission != "global":
            found += (
                f" Its view permission is {user.view_permission!r}: Krayin lets only users with 'global'"
                " search, so finding existing persons will need more calls."
            )
        return True, found

    def address(self) -> str:
        """Return the API URL as it stands in the connection.

        Raises:
            ConfigurationError: there is none.
        """
        connection = self.connection
        host = (connection.host or "").strip()
        if not host:
            message = f"connection {self.krayin_conn_id}: the API URL is empty"
            raise ConfigurationError(message)
        schema, port = connection.schema, connection.port
        # A connection given as a URI (krayin://…) has its parts taken apart.
        if "://" not in host and (schema or port):
            name, slash, path = host.partition("/")
            scheme = f"{schema}://" if schema in ("http", "https") else ""
            host = f"{scheme}{name}{f':{port}' if port else ''}{slash}{path}"
        return host

    def _token(self) -> str:
        token: Any = self.connection.password
        if not token or not str(token).strip():
            message = f"connection {self.krayin_conn_id}: the Sanctum token is missing"
            raise ConfigurationError(message)
        return str(token)
