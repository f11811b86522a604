-- Purpose: when each sync last brought over what had changed.
-- Parameters: none.
-- Indexes: sync_run_latest.
SELECT sync_name, max(finished_at) AS finished_at
FROM krayin_sync.sync_run
WHERE state = 'done' AND NOT dry_run AND kind IN ('scheduled', 'manual', 'events')
GROUP BY sync_name
