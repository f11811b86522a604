-- Purpose: delete some ended runs that nothing points to any more, but the last of each sync; their ids come back.
-- Parameters: after (id), age (interval), size.
-- Indexes: sync_run_pkey, sync_run_latest, operation_of_run, api_call_of_run, reconciliation_of_run.
DELETE FROM krayin_sync.sync_run
WHERE id IN (
    SELECT old.id FROM krayin_sync.sync_run AS old
    WHERE old.id > %(after)s AND old.started_at < clock_timestamp() - %(age)s
      AND NOT EXISTS (SELECT 1 FROM krayin_sync.operation WHERE run_id = old.id)
      AND NOT EXISTS (SELECT 1 FROM krayin_sync.api_call WHERE run_id = old.id)
      AND NOT EXISTS (SELECT 1 FROM krayin_sync.reconciliation WHERE run_id = old.id)
      AND NOT EXISTS (SELECT 1 FROM krayin_sync.watermark WHERE run_id = old.id)
      AND EXISTS (
          SELECT 1 FROM krayin_sync.sync_run AS newer
          WHERE newer.sync_name = old.sync_name AND newer.kind = old.kind AND newer.id > old.id
      )
    ORDER BY old.id LIMIT %(size)s
    FOR UPDATE SKIP LOCKED
)
RETURNING id
