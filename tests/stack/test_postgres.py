from __future__ import annotations

import psycopg


def test_fresh_databases_are_empty_and_have_the_extensions_chatwoot_needs(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        for extension in ("pg_trgm", "pg_stat_statements"):
            connection.execute(f"CREATE EXTENSION {extension}")
        tables = connection.execute(
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
        ).fetchone()
    assert tables == (0,)
