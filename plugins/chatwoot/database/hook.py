"""Chatwoot's database as an Airflow connection."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseHook
from psycopg.conninfo import make_conninfo

from chatwoot.database.source import DatabaseSource
from chatwoot.errors import ChatwootError

# The settings of libpq that a connection's extra may carry; other keys are another hook's business.
_LIBPQ = frozenset(
    (  # noqa: SIM905 - quoted one by one they read worse
        "application_name channel_binding connect_timeout gssencmode hostaddr keepalives keepalives_count "
        "keepalives_idle keepalives_interval krbsrvname options passfile service sslcert sslcrl sslkey "
        "sslmode sslnegotiation sslpassword sslrootcert target_session_attrs tcp_user_timeout"
    ).split()
)


class ChatwootDatabaseHook(BaseHook):
    """Opens Chatwoot's database for reading.

    :param chatwoot_conn_id: an Airflow connection of type Postgres to Chatwoot's database, best with a
        role that has nothing but SELECT. Its extra may hold libpq settings such as `sslmode`.
    """

    conn_name_attr = "chatwoot_conn_id"
    default_conn_name = "chatwoot_default"
    conn_type = "postgres"
    hook_name = "Chatwoot database"

    def __init__(self, chatwoot_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.chatwoot_conn_id = chatwoot_conn_id

    def get_conn(self) -> DatabaseSource:
        """Return the source; nothing is connected before its first snapshot.

        Raises:
            AirflowNotFoundException: there is no such Airflow connection.
        """
        connection = self.get_connection(self.chatwoot_conn_id)
        settings = {key: value for key, value in connection.extra_dejson.items() if key in _LIBPQ}
        return DatabaseSource(
            make_conninfo(
                host=connection.host,
                port=connection.port,
                dbname=connection.schema,
                user=connection.login,
                password=connection.password,
                **settings,
            )
        )

    def test_connection(self) -> tuple[bool, str]:
        """Return whether Chatwoot can be read, and what was found or what is wrong."""
        try:
            with self.get_conn().snapshot() as snapshot:
                accounts = ", ".join(f"{account.id} ({account.name})" for account in snapshot.accounts())
                return True, f"Chatwoot installation {snapshot.installation}, accounts: {accounts or 'none'}"
        except ChatwootError as error:
            return False, str(error)
