-- Purpose: take back the attempt that was counted for operations which failed only because the token was dead.
-- Parameters: ids (bigint[]).
-- Indexes: operation_pkey.
UPDATE krayin_sync.operation
SET attempts = attempts - 1
WHERE id = ANY(%(ids)s) AND state IN ('planned', 'unknown') AND attempts > 0
