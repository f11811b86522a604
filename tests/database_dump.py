"""Everything a database holds, as text, for tests that look for traces."""

from __future__ import annotations

import re

import psycopg
from psycopg import sql


def dump(url: str) -> str:
    """Every row of every table of a database, as text, binary columns decoded as well."""
    shown = []
    with psycopg.connect(url, autocommit=True) as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for table in tables:
            rows = connection.execute(
                sql.SQL("SELECT one::text FROM {} AS one").format(sql.Identifier(*table))
            )
            for (row,) in rows:
                binary = [bytes.fromhex(found) for found in re.findall(r"x((?:[0-9a-f]{2}){4,})", row)]
                shown += [f"{table[1]}: {row}", *(found.decode("utf-8", "replace") for found in binary)]
    return "\n".join(shown)
