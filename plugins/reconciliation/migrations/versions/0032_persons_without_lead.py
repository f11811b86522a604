"""Runs include/sql/migrations/0032_persons_without_lead.sql."""

from __future__ import annotations

from alembic import op
from statements import script

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    """Apply the file; there is no way back, restore a backup instead."""
    op.get_bind().exec_driver_sql(script("migrations/0032_persons_without_lead"))
