-- Purpose: forget what was staged for a run.
-- Parameters: run_id.
-- Indexes: staged_activity_pkey.
DELETE FROM krayin_sync.staged_activity WHERE run_id = %(run_id)s
