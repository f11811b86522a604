-- Purpose: what was known of a Krayin until now is not held against it any more.
-- Parameters: target_id.
-- Indexes: krayin_target_pkey.
WITH learned AS (
    UPDATE krayin_sync.mapping SET crm_created_at = NULL WHERE target_id = %(target_id)s AND crm_created_at IS NOT NULL
)
UPDATE krayin_sync.krayin_target SET known_since = clock_timestamp() WHERE id = %(target_id)s
