-- Purpose: drop what a run staged, at its start (a retry stages again) and at its end, and what failed runs left.
-- Parameters: run_id.
-- Indexes: staged_contact_pkey, sync_run_pkey.
DELETE FROM krayin_sync.staged_contact
WHERE run_id = %(run_id)s
   OR run_id IN (
       SELECT id FROM krayin_sync.sync_run
       WHERE state IN ('done', 'stopped', 'failed') AND id IN (SELECT run_id FROM krayin_sync.staged_contact)
   )
