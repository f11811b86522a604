"""Alembic's entry: one connection, one transaction for all migrations, one migrator at a time."""

from __future__ import annotations

from alembic import context
from sqlalchemy import text
from statements import statement

from reconciliation.migrations import SCHEMA

with context.config.attributes["engine"].connect() as connection:
    context.configure(connection=connection, version_table_schema=SCHEMA)
    with context.begin_transaction():
        connection.execute(text(statement("migration/lock")))
        connection.execute(text(statement("migration/schema")))
        context.run_migrations()
