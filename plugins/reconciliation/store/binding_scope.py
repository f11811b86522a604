"""Whose records are meant: the Krayin, the Chatwoot and the account every key starts with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from statements import statement

if TYPE_CHECKING:
    import psycopg


@dataclass(frozen=True, slots=True)
class BindingScope:
    """The ids that stand at the start of every key of the sync database."""

    target_id: int
    installation_id: int
    account_id: int

    def parameters(self) -> dict[str, Any]:
        """Return the three ids as statement parameters."""
        return {
            "target_id": self.target_id,
            "installation_id": self.installation_id,
            "account_id": self.account_id,
        }


def register_target(connection: psycopg.Connection, base_url: str) -> int:
    """Return the id of the Krayin at `base_url` (normalised), registering it at first sight."""
    return _one_id(connection, "krayin_target/id", {"base_url": base_url})


def register_installation(connection: psycopg.Connection, identity: str) -> int:
    """Return the id of the Chatwoot that calls itself `identity`, registering it at first sight."""
    return _one_id(connection, "krayin_target/installation_id", {"identity": identity})


def _one_id(connection: psycopg.Connection, name: str, parameters: dict[str, Any]) -> int:
    row = connection.execute(statement(name), parameters).fetchone()
    assert row is not None
    return int(row[0])
