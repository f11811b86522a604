-- Purpose: drop what a run staged, at its start (a retry stages again) and at its end, what failed runs left, and
--          what runs left that died: their end is never noted.
-- Parameters: run_id.
-- Indexes: staged_contact_pkey, sync_run_pkey.
DELETE FROM krayin_sync.staged_contact
WHERE run_id = %(run_id)s
   OR run_id IN (
       SELECT id FROM krayin_sync.sync_run
       WHERE (state IN ('done', 'stopped', 'failed') OR started_at < clock_timestamp() - interval '1 day')
         AND id IN (SELECT run_id FROM krayin_sync.staged_contact)
   )
