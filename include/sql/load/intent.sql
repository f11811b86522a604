-- Purpose: commit the intent of the next call, only while the lease is ours; no row means it passed to another worker.
-- Parameters: id, fence, step, lease (interval).
-- Indexes: operation_pkey.
UPDATE krayin_sync.operation
SET state = 'in_flight', step = %(step)s, sent_at = clock_timestamp(), lease_until = clock_timestamp() + %(lease)s
WHERE id = %(id)s AND fence = %(fence)s AND worker IS NOT NULL AND lease_until > clock_timestamp()
RETURNING sent_at
