-- Purpose: operations whose worker is dead and that nobody has taken back for an hour.
-- Parameters: none.
-- Indexes: operation_busy.
SELECT count(*)
FROM krayin_sync.operation
WHERE worker IS NOT NULL AND lease_until < clock_timestamp() - interval '1 hour'
