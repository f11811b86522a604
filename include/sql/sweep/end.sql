-- Purpose: note that a sweep is complete.
-- Parameters: sweep_id.
-- Indexes: sweep_pkey.
UPDATE krayin_sync.sweep SET compared_at = clock_timestamp() WHERE id = %(sweep_id)s
