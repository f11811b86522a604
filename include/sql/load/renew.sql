-- Purpose: extend the leases of claimed operations; a row is returned for each that is still the caller's.
-- Parameters: ids (bigint[]), fences (bigint[], of the claims), lease (interval).
-- Indexes: operation_pkey.
UPDATE krayin_sync.operation AS operation
SET lease_until = clock_timestamp() + %(lease)s
FROM unnest(%(ids)s::bigint[], %(fences)s::bigint[]) AS mine (id, fence)
WHERE operation.id = mine.id AND operation.fence = mine.fence AND operation.worker IS NOT NULL
RETURNING operation.id
