"""Runs include/sql/migrations/0023_names.sql."""

from __future__ import annotations

from alembic import op
from statements import statement

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Apply the file; there is no way back, restore a backup instead."""
    op.get_bind().exec_driver_sql(statement("migrations/0023_names"))
