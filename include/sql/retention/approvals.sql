-- Purpose: delete some questions that were answered long ago and whose plans are gone; their ids come back.
-- Parameters: after (id), age (interval), size.
-- Indexes: approval_pkey, operation_of_approval.
DELETE FROM krayin_sync.approval
WHERE id IN (
    SELECT old.id FROM krayin_sync.approval AS old
    WHERE old.id > %(after)s AND old.state IN ('approved', 'declined', 'withdrawn')
      AND old.decided_at < clock_timestamp() - %(age)s
      AND NOT EXISTS (SELECT 1 FROM krayin_sync.operation WHERE approval_id = old.id)
    ORDER BY old.id LIMIT %(size)s
    FOR UPDATE SKIP LOCKED
)
RETURNING id
