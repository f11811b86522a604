"""Runs include/sql/migrations/0016_incidents.sql."""

from __future__ import annotations

from alembic import op
from statements import script

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Apply the file; there is no way back, restore a backup instead."""
    op.get_bind().exec_driver_sql(script("migrations/0016_incidents"))
