-- Purpose: delete some comparisons that nothing points to any more, but the last of each sync; their ids come back.
-- Parameters: after (id), age (interval), size.
-- Indexes: reconciliation_pkey, reconciliation_latest, finding_of_reconciliation.
DELETE FROM krayin_sync.reconciliation
WHERE id IN (
    SELECT old.id FROM krayin_sync.reconciliation AS old
    WHERE old.id > %(after)s AND old.finished_at < clock_timestamp() - %(age)s
      AND NOT EXISTS (SELECT 1 FROM krayin_sync.finding WHERE reconciliation_id = old.id)
      AND EXISTS (
          SELECT 1 FROM krayin_sync.reconciliation AS newer
          WHERE newer.sync_name = old.sync_name AND newer.id > old.id AND newer.finished_at IS NOT NULL
      )
    ORDER BY old.id LIMIT %(size)s
)
RETURNING id
