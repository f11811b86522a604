"""Loading many rows into tables with many indexes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg


@contextmanager
def without_indexes(connection: psycopg.Connection[Any], *tables: str) -> Iterator[None]:
    """Drop the plain indexes and triggers of `tables` for a with block, which then builds them once."""
    with connection.transaction():
        connection.execute("SET LOCAL maintenance_work_mem = '512MB'")
        found = connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes"
            " WHERE tablename = ANY(%s) AND indexname NOT LIKE '%%_pkey'",
            (list(tables),),
        ).fetchall()
        for name, _ in found:
            connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
        for table in tables:
            connection.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(sql.Identifier(table)))
        yield
        for table in tables:
            connection.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(sql.Identifier(table)))
        for _, definition in found:
            connection.execute(sql.SQL(definition))
