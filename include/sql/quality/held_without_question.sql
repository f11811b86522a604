-- Purpose: held operations that no answer will reach.
-- Parameters: none.
-- Indexes: operation_of_approval.
SELECT count(*)
FROM krayin_sync.operation
LEFT JOIN krayin_sync.approval ON approval.id = operation.approval_id
WHERE operation.state = 'held'
  -- An answer takes a moment to reach all of them.
  AND (approval.id IS NULL
       OR (approval.state NOT IN ('open', 'asked') AND approval.decided_at < clock_timestamp() - interval '1 hour'))
