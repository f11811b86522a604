"""A sync with its connections, opened by their Airflow ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from chatwoot.database.hook import ChatwootDatabaseHook
from krayin.hook import KrayinHook
from structlog.contextvars import bind_contextvars

from reconciliation.crm.krayin_connection import access_key
from reconciliation.run.sync_run import Sync
from reconciliation.settings.airflow_connections import connection_named, sync_dsn
from reconciliation.settings.sync_files import load_syncs, sync_named
from reconciliation.sync_database.inheritance import existing

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatwoot.api.session import ApiSession
    from chatwoot.source import ChatwootSource
    from krayin.audit import ApiCall
    from krayin.client import KrayinClient
    from krayin.pacing import Pacer

    from reconciliation.settings.sync_settings import ChatwootSettings, SyncSettings


class AirflowKrayin:
    """A Krayin by the id of its Airflow connection."""

    def __init__(self, conn_id: str) -> None:
        """Name the connection."""
        self._hook = KrayinHook(conn_id)
        self._connection = connection_named(conn_id, "Krayin, type 'Krayin CRM'")

    def key(self) -> str:
        """Return what tells this address and token from others."""
        return access_key(self._hook.address(), self._connection.password or "")

    def requests_per_minute(self) -> int | Literal["auto"]:
        """Return the number in the connection, `auto` without one."""
        return self._hook.requests_per_minute()

    def client(self, pacer: Pacer, on_call: Callable[[ApiCall], None], lane: str | None) -> KrayinClient:
        """Return a client for the connection's address and token."""
        return self._hook.get_conn(pacer, on_call, lane=lane)


def open_sync(name: str) -> Sync:
    """Return the sync called `name` with its connections; nothing is connected yet.

    Raises:
        SettingsError: its file is missing or broken.
        ConnectionMissingError: a connection it names does not exist.
    """
    settings = sync_named(name)
    bind_contextvars(sync=name)
    return Sync(
        settings=settings,
        sync_dsn=sync_dsn(),
        source=open_source(settings.chatwoot),
        krayin=AirflowKrayin(settings.krayin.conn_id),
        write_back=_write_back(settings),
        existing=existing(load_syncs()),
    )


def _write_back(settings: SyncSettings) -> Callable[[], ApiSession] | None:
    """Return how ids are written back to Chatwoot, None where the settings do not wish it."""
    conn_id = settings.api_conn_id
    if settings.write_back_attribute is None or conn_id is None:
        return None
    from chatwoot.api.hook import ChatwootApiHook  # noqa: PLC0415 - most syncs do without

    connection_named(conn_id, "Chatwoot's API, type HTTP")
    return ChatwootApiHook(conn_id, settings.chatwoot.account_id).source().session


def open_source(chatwoot: ChatwootSettings) -> ChatwootSource:
    """Return the Chatwoot that the settings name; nothing is connected yet.

    Raises:
        ConnectionMissingError: its connection does not exist.
        ChatwootApiMisconfigured: a number in the connection's extra is none.
    """
    if chatwoot.source == "api":
        from chatwoot.api.hook import ChatwootApiHook  # noqa: PLC0415 - most syncs do without

        connection_named(chatwoot.conn_id, "Chatwoot's API, type HTTP")
        return ChatwootApiHook(chatwoot.conn_id, chatwoot.account_id).source(chatwoot.installation)
    connection_named(chatwoot.conn_id, "Chatwoot's database, type Postgres")
    return ChatwootDatabaseHook(chatwoot.conn_id).get_conn()
