-- Purpose: delete some operations that were ended long ago; their ids come back. What an open question may still have to know stays.
-- Parameters: after (id), age (interval), size.
-- Indexes: operation_pkey, approval_pkey.
DELETE FROM krayin_sync.operation
WHERE id IN (
    SELECT operation.id
    FROM krayin_sync.operation
    LEFT JOIN krayin_sync.approval ON approval.id = operation.approval_id
    WHERE operation.id > %(after)s AND operation.state IN ('done', 'superseded', 'rejected', 'declined')
      AND operation.finished_at < clock_timestamp() - %(age)s AND operation.worker IS NULL
      AND (approval.state IS NULL OR approval.state NOT IN ('open', 'asked'))
    ORDER BY operation.id LIMIT %(size)s
    FOR UPDATE OF operation SKIP LOCKED
)
RETURNING id
