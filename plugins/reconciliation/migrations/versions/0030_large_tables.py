"""Runs include/sql/migrations/0030_large_tables.sql."""

from __future__ import annotations

from alembic import op
from statements import script

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    """Apply the file; there is no way back, restore a backup instead."""
    op.get_bind().exec_driver_sql(script("migrations/0030_large_tables"))
