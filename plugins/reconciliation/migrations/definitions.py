"""The functions and views: made anew when the text of one of them, or of a migration, has changed."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import TYPE_CHECKING

import psycopg
from statements import scripts, statement

if TYPE_CHECKING:
    from collections.abc import Iterator


def are_defined(connection: psycopg.Connection) -> bool:
    """Tell whether a database at the newest revision has the functions and views of this version."""
    return connection.execute(statement("migration/definitions")).fetchone() == (_hash(),)


def define(connection: psycopg.Connection) -> None:
    """Make the functions and views of this version, unless they are there.

    What stays as it was is not touched: replacing a view waits until nobody reads it.
    """
    if are_defined(connection):
        return
    for text in (*scripts("functions"), *scripts("views")):
        connection.execute(text)
    connection.execute(statement("migration/note_definitions"), {"hash": _hash()})


@contextmanager
def keep_grants(connection: psycopg.Connection) -> Iterator[None]:
    """Give back what was granted on views that are dropped and made anew meanwhile."""
    before = _grants(connection)
    yield
    for grant in before - _grants(connection):
        # The view, or the column, may be gone for good.
        with suppress(psycopg.ProgrammingError), connection.transaction():
            connection.execute(grant.encode())


def _grants(connection: psycopg.Connection) -> set[str]:
    return {str(row[0]) for row in connection.execute(statement("migration/view_grants"))}


def _hash() -> str:
    # With the migrations: one of them may have dropped a view whose file is the same as before.
    texts = (*scripts("migrations"), *scripts("functions"), *scripts("views"))
    return sha256("\0".join(texts).encode()).hexdigest()
