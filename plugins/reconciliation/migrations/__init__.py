"""Brings the sync database to the newest schema; run as `python -m reconciliation.migrations`."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

SCHEMA = "krayin_sync"


def _config(dsn: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["url"] = make_url(dsn).set(drivername="postgresql+psycopg")
    return config


def upgrade(dsn: str) -> None:
    """Apply every migration that the database at `dsn` lacks; harmless when there is none.

    Several callers at once wait for each other. Raises `sqlalchemy.exc.OperationalError`
    when the database cannot be reached.
    """
    command.upgrade(_config(dsn), "head")


def is_current(dsn: str) -> bool:
    """Tell whether the database at `dsn` has every migration of this version."""
    config = _config(dsn)
    engine = create_engine(config.attributes["url"], poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA})
        return set(context.get_current_heads()) == set(ScriptDirectory.from_config(config).get_heads())
