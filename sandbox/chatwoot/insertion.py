"""Inserting a single row."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from psycopg import sql

if TYPE_CHECKING:
    from psycopg import Connection


def insert_row(connection: Connection[Any], table: str, values: dict[str, Any], returning: str = "id") -> Any:
    """Insert `values` by column into `table` and return its column `returning`."""
    row = connection.execute(
        sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING {}").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(map(sql.Placeholder, values)),
            sql.Identifier(returning),
        ),
        stored(values),
    ).fetchone()
    assert row is not None
    return row[0]


def stored(values: dict[str, Any]) -> dict[str, Any]:
    """Return `values` as Chatwoot's columns take them: times in UTC without a zone, objects as JSON."""
    return {name: _stored(value) for name, value in values.items()}


def _stored(value: Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo:
        # An aware time would pass through the session's zone on its way into a column without one.
        return value.astimezone(UTC).replace(tzinfo=None)
    return json.dumps(value) if isinstance(value, (dict, list)) else value
