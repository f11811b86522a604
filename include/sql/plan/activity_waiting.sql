-- Purpose: how many planned activities and stage moves of a sync wait for the person or lead of their contact.
-- Parameters: target_id, sync_name.
-- Indexes: operation_queue.
SELECT count(*)
FROM krayin_sync.operation
WHERE target_id = %(target_id)s AND sync_name = %(sync_name)s AND state = 'planned'
  AND next_attempt_at = 'infinity' AND contact_id IS NOT NULL
