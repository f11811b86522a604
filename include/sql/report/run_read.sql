-- Purpose: one run with its summary.
-- Parameters: run_id.
-- Indexes: sync_run_pkey.
SELECT sync_name, kind, state, dry_run, started_at, finished_at, summary, message
FROM krayin_sync.sync_run
WHERE id = %(run_id)s
