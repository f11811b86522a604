"""Runs include/sql/migrations/0023_baseline.sql: the tables as the steps 0001 to 0023 left them."""

from __future__ import annotations

from alembic import op
from statements import script

revision = "0023"
down_revision = None


def upgrade() -> None:
    """Apply the file; there is no way back, restore a backup instead."""
    op.get_bind().exec_driver_sql(script("migrations/0023_baseline"))
