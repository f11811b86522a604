"""The Airflow connections the bridge uses, by their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from reconciliation.errors import ConnectionMissingError

if TYPE_CHECKING:
    from airflow.sdk import Connection

SYNC_DB_CONN_ID = "sync_db"
SECRET_CONN_ID = "chatwoot_webhook_{sync}"  # noqa: S105 - the id of a connection


def connection_named(conn_id: str, used_for: str) -> Connection:
    """Return an Airflow connection.

    Raises:
        ConnectionMissingError: there is none of this id.
    """
    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise ConnectionMissingError(conn_id, used_for) from None


def sync_dsn() -> str:
    """Return the connection string of the sync database."""
    return dsn_of(connection_named(SYNC_DB_CONN_ID, "the sync database, type Postgres"))


def given_secret(sync_name: str) -> str | None:
    """Return the webhook secret somebody entered for a sync, None without one."""
    try:
        return BaseHook.get_connection(SECRET_CONN_ID.format(sync=sync_name)).password or None
    except AirflowNotFoundException:
        return None


def dsn_of(connection: Connection) -> str:
    """Return a Postgres connection as libpq connection string."""
    # Imported by the parse of a DAG file, which needs no database driver.
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415

    return make_conninfo(
        host=connection.host,
        port=connection.port,
        dbname=connection.schema,
        user=connection.login,
        password=connection.password,
    )
