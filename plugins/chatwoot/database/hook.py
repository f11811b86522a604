"""Chatwoot's database as an Airflow connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from airflow.providers.postgres.hooks.postgres import PostgresHook
from psycopg.conninfo import make_conninfo

from chatwoot.database.source import DatabaseSource
from chatwoot.errors import ChatwootError, UnusableConnection

if TYPE_CHECKING:
    from airflow.sdk import Connection


def conninfo(connection: Connection) -> str:
    """Return a Postgres connection as libpq connection string, its extra read as PostgresHook does.

    The extra may hold every setting of libpq (`sslmode`, `sslrootcert`, `options`, …), and `iam` for a
    password that a cloud gives for some minutes.

    Raises:
        UnusableConnection: a setting is unknown to libpq.
    """
    extra = connection.extra_dejson
    login, password, port = connection.login, connection.password, connection.port
    if extra.get("iam"):
        login, password, port = PostgresHook(connection.conn_id).get_iam_token(connection)
    settings = {key: value for key, value in extra.items() if key not in PostgresHook.ignored_extra_options}
    parts = {
        "host": connection.host,
        "user": login,
        "password": password,
        "dbname": connection.schema,
        "port": port,
    }
    try:
        return make_conninfo(**{**parts, **settings})
    except psycopg.ProgrammingError as error:
        raise UnusableConnection(connection.conn_id, f"{str(error).strip()}. See its extra.") from None


class ChatwootDatabaseHook(PostgresHook):
    """Opens Chatwoot's database for reading.

    :param chatwoot_conn_id: an Airflow connection of type Postgres to Chatwoot's database, best with a
        role that has nothing but SELECT. Its extra may hold libpq settings such as `sslmode`.
    """

    conn_name_attr = "chatwoot_conn_id"
    default_conn_name = "chatwoot_default"
    hook_name = "Chatwoot database"

    def __init__(self, chatwoot_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(chatwoot_conn_id=chatwoot_conn_id, **kwargs)

    def source(self) -> DatabaseSource:
        """Return the source; nothing is connected before its first snapshot.

        Raises:
            AirflowNotFoundException: there is no such Airflow connection.
            UnusableConnection: a part of it cannot be one.
        """
        return DatabaseSource(conninfo(self.connection))

    def test_connection(self) -> tuple[bool, str]:  # type: ignore[override] # as BaseHook has it
        """Return whether Chatwoot can be read, and what was found or what is wrong."""
        try:
            with self.source().snapshot() as snapshot:
                accounts = ", ".join(f"{account.id} ({account.name})" for account in snapshot.accounts())
                return True, f"Chatwoot installation {snapshot.installation}, accounts: {accounts or 'none'}"
        except ChatwootError as error:
            return False, str(error)
