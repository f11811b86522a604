"""Alembic's entry: one connection, one transaction for all migrations, one migrator at a time."""

from __future__ import annotations

from alembic import context
from statements import statement

from reconciliation.migrations import SCHEMA, check_revision
from reconciliation.migrations.definitions import define, keep_grants

with context.config.attributes["engine"].connect() as connection:
    context.configure(connection=connection, version_table_schema=SCHEMA)
    with context.begin_transaction():
        connection.exec_driver_sql(statement("migration/lock"))
        connection.exec_driver_sql(statement("migration/schema"))
        migration = context.get_context()
        check_revision(migration.get_current_revision())
        with keep_grants(connection):
            context.run_migrations()
            if migration.get_current_revision() == context.get_head_revision():
                define(connection)
