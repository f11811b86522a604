-- Purpose: what waits for a person, by reason.
-- Parameters: sync_name.
-- Indexes: operation_quarantine.
SELECT error_class, sum(operations)::bigint AS operations, min(oldest) AS oldest, max(newest_operation) AS newest_operation
FROM krayin_sync.quarantine_by_reason
WHERE sync_name = %(sync_name)s
GROUP BY error_class
ORDER BY operations DESC, error_class
