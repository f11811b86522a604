"""Brings the sync database to the newest schema; run as `python -m reconciliation.migrations`.

Tables come from `include/sql/migrations`, each file run once in the order of their numbers, which are the
revisions. Functions and views stand in `include/sql/functions` and `include/sql/views` as they shall be.
"""

from __future__ import annotations

import psycopg
from statements import folder, script, statement

from reconciliation.errors import DatabaseRevisionError
from reconciliation.migrations.definitions import define, keep_grants


def upgrade(dsn: str, revision: str | None = None) -> None:
    """Apply every migration that the database at `dsn` (URL or libpq string) lacks, at most to `revision`.

    At the newest revision the functions and views are made anew if they changed. All of it happens or
    nothing. Harmless if there is nothing to do. Several callers at once wait for each other.

    Raises:
        DatabaseRevisionError: the database is at a revision that this version cannot go on from.
        psycopg.OperationalError: the database cannot be reached.
    """
    files = _files()
    # Poolers that switch connections between transactions do not know prepared statements.
    with psycopg.connect(dsn, prepare_threshold=None) as connection:
        connection.execute(statement("migration/lock"))
        connection.execute(statement("migration/schema"))
        row = connection.execute(statement("migration/revision")).fetchone()
        found = None if row is None else str(row[0])
        if found is not None and found not in files:
            raise DatabaseRevisionError(found, revisions())
        with keep_grants(connection):
            for number, name in files.items():
                if (found is None or number > found) and (revision is None or number <= revision):
                    connection.execute(script(f"migrations/{name}"))
                    connection.execute(statement("migration/note_revision"), {"revision": number})
                    found = number
            if found == max(files):
                define(connection)


def revisions() -> list[str]:
    """Return every revision, oldest first."""
    return list(_files())


def _files() -> dict[str, str]:
    files = sorted((folder() / "migrations").glob("*.sql"))
    return {file.stem.partition("_")[0]: file.stem for file in files}
