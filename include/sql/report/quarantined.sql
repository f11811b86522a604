-- Purpose: what of a sync a person must look at, by reason.
-- Parameters: sync_name.
-- Indexes: operation_quarantine.
SELECT error_class, count(*)
FROM krayin_sync.operation
WHERE sync_name = %(sync_name)s AND state = 'quarantined'
GROUP BY error_class
ORDER BY count(*) DESC, error_class
