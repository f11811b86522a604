"""Keys and passwords, made once and kept."""

from __future__ import annotations

import base64
import os
import secrets
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING

from stack import private_file

if TYPE_CHECKING:
    from pathlib import Path


def _fernet() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def _random() -> str:
    return secrets.token_urlsafe(32)


def _password() -> str:
    # One that can be typed by hand into the login form.
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """The secrets of one data directory.

    The Fernet key decrypts the connections kept in Airflow's database and the JWT secret signs the
    tokens of its own processes: both must stay the same over restarts.
    """

    fernet: str = field(default_factory=_fernet)
    jwt: str = field(default_factory=_random)
    session: str = field(default_factory=_random)
    postgres: str = field(default_factory=_random)
    admin: str = field(default_factory=_password)
    sandbox_token: str = field(default_factory=lambda: f"1|{secrets.token_hex(20)}")


def load_or_make(path: Path) -> Keys:
    """Return the keys kept in `path`; make and keep those that it lacks."""
    kept = private_file.read(path)
    keys = Keys(**{each.name: kept[each.name] for each in fields(Keys) if each.name in kept})
    if asdict(keys) != kept:
        private_file.write(path, asdict(keys))
    return keys
