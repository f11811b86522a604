"""Reads texts of a database that takes any bytes (SQL_ASCII), where some may be no UTF-8."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from psycopg.adapt import Dumper, Loader
from psycopg.types.json import set_json_loads
from statements import statement

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.abc import Buffer

_TEXTS = ("text", "varchar", "bpchar", "name")


class _Replacing(Loader):
    def load(self, data: Buffer) -> str:
        return _text(data)


class _Utf8(Dumper):
    def dump(self, obj: str) -> bytes:
        return obj.encode()


def read_any_bytes(connection: Connection[Any]) -> None:
    """Let a fresh `connection` take texts for UTF-8, and replace what is none by U+FFFD."""
    connection.autocommit = True
    # The server would refuse to send what is not of the client's encoding.
    connection.execute(statement("session/any_bytes"))
    connection.autocommit = False
    for name in _TEXTS:
        connection.adapters.register_loader(name, _Replacing)
    connection.adapters.register_dumper(str, _Utf8)
    set_json_loads(lambda data: json.loads(data if isinstance(data, str) else _text(data)), connection)


def _text(data: Buffer) -> str:
    return bytes(data).decode("utf-8", "replace")
