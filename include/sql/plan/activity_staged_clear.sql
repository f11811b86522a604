-- Purpose: forget what was staged for a run, for failed runs, and for runs that died: their end is never noted.
-- Parameters: run_id.
-- Indexes: staged_activity_pkey, sync_run_pkey.
DELETE FROM krayin_sync.staged_activity
WHERE run_id = %(run_id)s
   OR run_id IN (
       SELECT id FROM krayin_sync.sync_run
       WHERE (state IN ('done', 'stopped', 'failed') OR started_at < clock_timestamp() - interval '1 day')
         AND id IN (SELECT run_id FROM krayin_sync.staged_activity)
   )
