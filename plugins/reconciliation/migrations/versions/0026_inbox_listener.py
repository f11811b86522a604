"""Runs include/sql/migrations/0026_inbox_listener.sql."""

from __future__ import annotations

from alembic import op
from statements import script

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    """Apply the file; there is no way back, restore a backup instead."""
    op.get_bind().exec_driver_sql(script("migrations/0026_inbox_listener"))
