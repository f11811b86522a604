"""Brings the sync database to the newest schema; run as `python -m reconciliation.migrations`.

Tables come from `include/sql/migrations`, each file run once. Functions and views stand in
`include/sql/functions` and `include/sql/views` as they shall be.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from reconciliation.errors import DatabaseRevisionError

if TYPE_CHECKING:
    from sqlalchemy import Engine

SCHEMA = "krayin_sync"


def _config(dsn: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["engine"] = _engine(dsn)
    return config


def _engine(dsn: str) -> Engine:
    # libpq takes both forms of a connection string, and knows settings that SQLAlchemy's URLs do not. Poolers
    # that switch connections between transactions do not know prepared statements.
    creator = partial(psycopg.connect, dsn, prepare_threshold=None)
    # A script may hold percent signs: without parameters they are no placeholders.
    options = {"no_parameters": True}
    return create_engine(
        "postgresql+psycopg://", creator=creator, poolclass=NullPool, execution_options=options
    )


def upgrade(dsn: str, revision: str = "head") -> None:
    """Apply every migration up to `revision` that the database at `dsn` (URL or libpq string) lacks.

    At the newest revision the functions and views are made anew if they changed. All of it happens or
    nothing. Harmless if there is nothing to do. Several callers at once wait for each other.

    Raises:
        DatabaseRevisionError: the database is at a revision that this version cannot go on from.
        sqlalchemy.exc.OperationalError: the database cannot be reached.
    """
    command.upgrade(_config(dsn), revision)


def revisions() -> list[str]:
    """Return every revision, oldest first."""
    script = ScriptDirectory(str(Path(__file__).parent))
    return [each.revision for each in script.walk_revisions()][::-1]


def check_revision(found: str | None) -> None:
    """Raise `DatabaseRevisionError` unless a database at this revision (None: a new one) can be upgraded."""
    known = revisions()
    if found is not None and found not in known:
        raise DatabaseRevisionError(found, known)
