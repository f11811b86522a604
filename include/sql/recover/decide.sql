-- Purpose: note the answer to a recovery; what was planned row by row has had its use.
-- Parameters: recovery_id, state, decided_by.
-- Indexes: recovery_pkey, recovery_item_pkey.
WITH used AS (
    DELETE FROM krayin_sync.recovery_item WHERE recovery_id = %(recovery_id)s
)
UPDATE krayin_sync.recovery
SET state = %(state)s, decided_by = %(decided_by)s, decided_at = clock_timestamp()
WHERE id = %(recovery_id)s
