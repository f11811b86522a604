-- Purpose: give back claimed operations that were not started.
-- Parameters: ids (bigint[]), worker.
-- Indexes: operation_pkey.
UPDATE krayin_sync.operation
SET worker = NULL, lease_until = NULL
WHERE id = ANY(%(ids)s) AND worker = %(worker)s AND state IN ('planned', 'unknown')
