-- Purpose: the schema must exist before the migration tool can keep its version table in it.
-- Parameters: none.
CREATE SCHEMA IF NOT EXISTS krayin_sync
