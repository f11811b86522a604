-- Purpose: how many deletions of persons a sync has planned.
-- Parameters: target_id, sync_name.
-- Indexes: operation_queue.
SELECT count(*)
FROM krayin_sync.operation
WHERE target_id = %(target_id)s AND sync_name = %(sync_name)s AND state = 'planned'
  AND 'person.deleted' = ANY(removes)
