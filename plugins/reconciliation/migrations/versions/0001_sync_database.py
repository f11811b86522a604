"""Runs include/sql/migrations/0001_sync_database.sql."""

from __future__ import annotations

from alembic import op
from statements import statement

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Apply the file; there is no way back, restore a backup instead."""
    op.get_bind().exec_driver_sql(statement("migrations/0001_sync_database"))
