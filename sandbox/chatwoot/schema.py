"""The schema of the sandbox's Chatwoot database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

SCHEMA = Path(__file__).with_name("schema.sql")


def create_schema(connection: Connection[Any]) -> bool:
    """Create Chatwoot's tables unless they are there; tell whether they were created.

    Needs a role that may create the extension pg_trgm.
    """
    with connection.transaction():
        found = connection.execute("SELECT to_regclass('schema_migrations') IS NOT NULL AS found").fetchone()
        if found is not None and True in found:
            return False
        connection.execute(SCHEMA.read_text(encoding="utf-8").encode())
        return True
