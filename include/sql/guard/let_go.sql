-- Purpose: carry an answer over to some of the operations that waited for it. What only waited for a held plan to
--          give up an address changes nothing itself, and is planned either way.
-- Parameters: approval_id, size.
-- Indexes: operation_of_approval, operation_pkey.
WITH chosen AS (
    SELECT operation.id, approval.state = 'approved' OR operation.changes = '{}' AS planned
    FROM krayin_sync.operation
    JOIN krayin_sync.approval ON approval.id = operation.approval_id
    WHERE operation.approval_id = %(approval_id)s AND operation.state = 'held'
      AND (approval.state IN ('approved', 'declined') OR (approval.state = 'withdrawn' AND operation.changes = '{}'))
    ORDER BY operation.id
    LIMIT %(size)s
    FOR UPDATE OF operation
)
UPDATE krayin_sync.operation AS operation
SET state = CASE WHEN chosen.planned THEN 'planned' ELSE 'declined' END,
    next_attempt_at = least(operation.next_attempt_at, clock_timestamp()),
    finished_at = CASE WHEN chosen.planned THEN NULL ELSE clock_timestamp() END
FROM chosen
WHERE operation.id = chosen.id
RETURNING operation.state
