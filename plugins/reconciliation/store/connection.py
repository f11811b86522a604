"""The connection to the sync database."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from krayin.rate_limiter import BudgetUnavailable
from statements import statement
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from reconciliation.errors import SyncDatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONNECT_TIMEOUT = 10
# A restart of PostgreSQL takes seconds; a run should survive it.
PATIENCE = 30.0


def connect(
    dsn: str, *, patience: float = PATIENCE, sleep: Callable[[float], None] = time.sleep
) -> psycopg.Connection:
    """Return a connection in autocommit mode, trying for `patience` seconds.

    Raises:
        SyncDatabaseError: it cannot be reached; the message says where it was looked for.
    """
    retrying = Retrying(
        retry=retry_if_exception_type(psycopg.OperationalError),
        stop=stop_after_delay(patience),
        wait=wait_exponential(multiplier=0.5, max=5),
        reraise=True,
        sleep=sleep,
    )
    try:
        return retrying(_connect, dsn)
    except psycopg.OperationalError as error:
        where = psycopg.conninfo.conninfo_to_dict(dsn)
        hint = (
            f"The sync database {where.get('dbname')!r} at {where.get('host')}:{where.get('port', 5432)} "
            f"cannot be reached ({str(error).splitlines()[0]}). Check that PostgreSQL is up and the "
            f"Airflow connection 'sync_db' is right; nothing is lost, the next run goes on."
        )
        raise SyncDatabaseError(hint) from None


@contextmanager
def working(dsn: str) -> Iterator[psycopg.Connection]:
    """Open a connection for the length of a run, in autocommit mode.

    Raises:
        SyncDatabaseError: it cannot be reached, or fails while it is used: a restart, a lost
            connection, a full disk. What was committed is kept, and whoever runs next goes on.
    """
    try:
        with connect(dsn) as connection:
            yield connection
    except (psycopg.OperationalError, psycopg.InterfaceError, BudgetUnavailable) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        check = (
            "Make room on its disk"
            if psycopg.errors.DiskFull in {type(error), type(error.__cause__)}
            else "Check that PostgreSQL is up and has room on its disk"
        )
        hint = (
            f"The sync database failed during the run ({said}). {check}; "
            f"nothing is lost, the next run goes on."
        )
        raise SyncDatabaseError(hint) from error


def _connect(dsn: str) -> psycopg.Connection:
    settings: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT,
        "application_name": "krayin_sync",
        "keepalives_idle": 30,
        **psycopg.conninfo.conninfo_to_dict(dsn),
        # Whatever the role or the database is set to.
        "client_encoding": "UTF8",
    }
    # Poolers that switch connections between transactions do not know prepared statements.
    connection = psycopg.connect(autocommit=True, prepare_threshold=None, **settings)
    # Not among the connection's options, which PgBouncer refuses.
    connection.execute(statement("session/sync_database"))
    return connection
