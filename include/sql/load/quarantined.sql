-- Purpose: what of a sync is quarantined, of all or of some.
-- Parameters: sync_name, operation_id (or NULL: any), error_class (or NULL: any).
-- Indexes: operation_quarantine.
SELECT count(*)
FROM krayin_sync.operation
WHERE sync_name = %(sync_name)s AND state = 'quarantined'
  AND (%(operation_id)s::bigint IS NULL OR id = %(operation_id)s)
  AND (%(error_class)s::text IS NULL OR error_class = %(error_class)s)
