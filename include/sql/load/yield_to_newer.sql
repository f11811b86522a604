-- Purpose: an operation that would go back to planned while a newer plan waits is replaced by it.
-- Parameters: id, fence.
-- Indexes: operation_pkey, operation_planned.
UPDATE krayin_sync.operation AS older
SET state = 'superseded', worker = NULL, lease_until = NULL, finished_at = clock_timestamp()
WHERE older.id = %(id)s AND older.fence = %(fence)s AND older.worker IS NOT NULL
  AND EXISTS (
      SELECT 1 FROM krayin_sync.operation AS newer
      WHERE newer.target_id = older.target_id AND newer.installation_id = older.installation_id
        AND newer.account_id = older.account_id AND newer.source_kind = older.source_kind
        AND newer.source_id = older.source_id AND newer.state IN ('planned', 'held') AND newer.id <> older.id
  )
RETURNING older.id
