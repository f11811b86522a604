"""The Airflow connections the bridge uses, by their ids, and a sync opened with its own."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from chatwoot.database.hook import ChatwootDatabaseHook, conninfo
from krayin.hook import KrayinHook
from structlog.contextvars import bind_contextvars

from reconciliation.errors import ConnectionMissingError
from reconciliation.run.sync_run import Sync
from reconciliation.run.sync_takeover import existing
from reconciliation.settings.sync_files import load_syncs, sync_named
from reconciliation.settings.sync_settings import SECRET_CONN_ID, SYNC_DB_CONN_ID
from reconciliation.store.secret_box import SecretBox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chatwoot.api.hook import ChatwootApiHook
    from chatwoot.api.session import ApiSession
    from chatwoot.source import ChatwootSource

    from reconciliation.settings.sync_settings import ChatwootSettings, SyncSettings


def sync_dsn() -> str:
    """Return the libpq connection string of the sync database, with what its connection's extra says.

    Raises:
        ConnectionMissingError: there is none.
        ChatwootError: a part of it cannot be one.
    """
    with _needed(SYNC_DB_CONN_ID, "the sync database, type Postgres"):
        return conninfo(BaseHook.get_connection(SYNC_DB_CONN_ID))


def given_secret(sync_name: str) -> str | None:
    """Return the webhook secret somebody entered for a sync, None without one."""
    try:
        return BaseHook.get_connection(SECRET_CONN_ID.format(sync=sync_name)).password or None
    except AirflowNotFoundException:
        return None


def airflow_secret_box() -> SecretBox:
    """Return what seals secrets with this Airflow's Fernet keys; raises NoFernetKeyError."""
    from airflow.configuration import conf  # noqa: PLC0415 - a second to import, and few tasks need it

    return SecretBox(conf.get("core", "fernet_key", fallback=""))


def api_base_url() -> str:
    """Return the address of Airflow's API server without a slash at its end, empty while it is not set."""
    from airflow.configuration import conf  # noqa: PLC0415 - see above

    return str(conf.get("api", "base_url", fallback="") or "").rstrip("/")


def open_sync(name: str) -> Sync:
    """Return the sync called `name` with its connections; nothing is connected yet.

    Raises:
        SettingsError: its file is missing or broken.
        ConnectionMissingError: a connection it names does not exist.
    """
    settings = sync_named(name)
    bind_contextvars(sync=name)
    krayin = KrayinHook(settings.krayin.conn_id)
    with _needed(settings.krayin.conn_id, "Krayin, type 'Krayin CRM'"):
        _ = krayin.connection
    return Sync(
        settings=settings,
        sync_dsn=sync_dsn(),
        source=open_source(settings.chatwoot),
        krayin=krayin,
        write_back=_write_back(settings),
        existing=existing(load_syncs()),
    )


def open_source(chatwoot: ChatwootSettings) -> ChatwootSource:
    """Return the Chatwoot that the settings name; nothing is connected yet.

    Raises:
        ConnectionMissingError: its connection does not exist.
        ChatwootError: a part of the connection cannot be one.
    """
    if chatwoot.source == "api":
        return chatwoot_api_hook(chatwoot.conn_id, chatwoot.account_id).source(chatwoot.installation)
    with _needed(chatwoot.conn_id, "Chatwoot's database, type Postgres"):
        return ChatwootDatabaseHook(chatwoot.conn_id).source()


def chatwoot_api_hook(conn_id: str, account_id: int) -> ChatwootApiHook:
    """Return the hook of an account's API.

    Raises:
        ConnectionMissingError: its connection does not exist.
    """
    from chatwoot.api.hook import ChatwootApiHook  # noqa: PLC0415 - most syncs do without

    hook = ChatwootApiHook(conn_id, account_id)
    with _needed(conn_id, "Chatwoot's API, type HTTP"):
        _ = hook.connection
    return hook


def _write_back(settings: SyncSettings) -> Callable[[], ApiSession] | None:
    """Return how ids are written back to Chatwoot, None where the settings do not wish it."""
    conn_id = settings.api_conn_id
    if settings.write_back_attribute is None or conn_id is None:
        return None
    return chatwoot_api_hook(conn_id, settings.chatwoot.account_id).source().session


@contextmanager
def _needed(conn_id: str, used_for: str) -> Iterator[None]:
    try:
        yield
    except AirflowNotFoundException:
        raise ConnectionMissingError(conn_id, used_for) from None
