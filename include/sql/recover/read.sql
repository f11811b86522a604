-- Purpose: a recovery that waits for its answer.
-- Parameters: recovery_id.
-- Indexes: recovery_pkey.
SELECT target_id, moved_from, happened
FROM krayin_sync.recovery
WHERE id = %(recovery_id)s AND state = 'planned'
FOR UPDATE
