-- Purpose: drop a sweep with what it found.
-- Parameters: sweep_id.
-- Indexes: sweep_pkey and those of the tables that hang on it.
DELETE FROM krayin_sync.sweep WHERE id = %(sweep_id)s
