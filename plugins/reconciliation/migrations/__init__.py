"""Brings the sync database to the newest schema; run as `python -m reconciliation.migrations`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

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
    return create_engine("postgresql+psycopg://", creator=creator, poolclass=NullPool)


def upgrade(dsn: str, revision: str = "head") -> None:
    """Apply every migration up to `revision` that the database at `dsn` (URL or libpq string) lacks.

    Harmless if there is none. Several callers at once wait for each other. Raises
    `sqlalchemy.exc.OperationalError` when the database cannot be reached.
    """
    command.upgrade(_config(dsn), revision)


def revisions() -> list[str]:
    """Return every revision, oldest first."""
    script = ScriptDirectory(str(Path(__file__).parent))
    return [each.revision for each in script.walk_revisions()][::-1]


def is_current(dsn: str) -> bool:
    """Tell whether the database at `dsn` has every migration of this version."""
    config = _config(dsn)
    with config.attributes["engine"].connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA})
        return set(context.get_current_heads()) == set(ScriptDirectory.from_config(config).get_heads())
