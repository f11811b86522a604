"""Whose records are meant: a Krayin, a Chatwoot and an account of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from statements import statement

if TYPE_CHECKING:
    import psycopg


@dataclass(frozen=True, slots=True)
class BindingScope:
    """One row of the table `scope`: `id` stands at the start of every key of what is bound."""

    id: int
    target_id: int
    installation_id: int
    account_id: int

    def parameters(self) -> dict[str, Any]:
        """Return the scope and its Krayin as statement parameters."""
        return {"target_id": self.target_id, "scope_id": self.id}


def register_target(connection: psycopg.Connection, base_url: str) -> int:
    """Return the id of the Krayin at `base_url` (normalised), registering it at first sight."""
    return _one_id(connection, "krayin_target/id", {"base_url": base_url})


def register_installation(connection: psycopg.Connection, identity: str) -> int:
    """Return the id of the Chatwoot that calls itself `identity`, registering it at first sight."""
    return _one_id(connection, "krayin_target/installation_id", {"identity": identity})


def register_scope(
    connection: psycopg.Connection, target_id: int, installation_id: int, account_id: int
) -> BindingScope:
    """Return the scope of a Krayin, a Chatwoot and an account of it, registering it at first sight."""
    ids = {"target_id": target_id, "installation_id": installation_id, "account_id": account_id}
    return BindingScope(_one_id(connection, "krayin_target/scope_id", ids), **ids)


def _one_id(connection: psycopg.Connection, name: str, parameters: dict[str, Any]) -> int:
    row = connection.execute(statement(name), parameters).fetchone()
    assert row is not None
    return int(row[0])
