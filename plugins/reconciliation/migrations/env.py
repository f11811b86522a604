"""Alembic's entry: one connection, one transaction per migration, one migrator at a time."""

from __future__ import annotations

from alembic import context
from sqlalchemy import text
from statements import statement

from reconciliation.migrations import SCHEMA

with context.config.attributes["engine"].connect() as connection:
    connection.execute(text(statement("migrations/lock")))
    connection.execute(text(statement("migrations/schema")))
    connection.commit()
    context.configure(connection=connection, version_table_schema=SCHEMA, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
