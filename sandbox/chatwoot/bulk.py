"""Loading many rows into a table with COPY."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from psycopg import Connection

Row = tuple[Any, ...]


def copy_rows(connection: Connection[Any], table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Append `rows`, each as long as `columns`, to `table`.

    Aware datetimes must be UTC: PostgreSQL drops the offset when the column has no zone.
    """
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor().copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def advance_sequences(connection: Connection[Any], tables: Iterable[str]) -> None:
    """Set the id sequence of each of `tables` behind its highest id, as inserts without ids expect."""
    for table in tables:
        connection.execute(
            sql.SQL(
                "SELECT setval(pg_get_serial_sequence({name}, 'id'), coalesce(max(id), 0) + 1, false) "
                "FROM {table}"
            ).format(name=sql.Literal(table), table=sql.Identifier(table))
        )
