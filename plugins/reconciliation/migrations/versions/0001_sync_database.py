"""Runs include/sql/migrations/0001_sync_database.sql."""

from __future__ import annotations

from alembic import op
from statements import script

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Apply the file; there is no way back, restore a backup instead."""
    op.get_bind().exec_driver_sql(script("migrations/0001_sync_database"))
