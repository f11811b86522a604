-- Purpose: note that a step of an operation is done, only while it is ours; no row means it is not.
-- Parameters: id, fence, step, lease (interval).
-- Indexes: operation_pkey.
UPDATE krayin_sync.operation
SET step = %(step)s, lease_until = clock_timestamp() + %(lease)s
WHERE id = %(id)s AND fence = %(fence)s AND worker IS NOT NULL
RETURNING id
