-- Purpose: give back claimed operations that were not started.
-- Parameters: ids (bigint[]), fences (bigint[], of the claims).
-- Indexes: operation_pkey.
UPDATE krayin_sync.operation AS operation
SET worker = NULL, lease_until = NULL
FROM unnest(%(ids)s::bigint[], %(fences)s::bigint[]) AS mine (id, fence)
WHERE operation.id = mine.id AND operation.fence = mine.fence AND operation.worker IS NOT NULL
  AND operation.state IN ('planned', 'unknown')
