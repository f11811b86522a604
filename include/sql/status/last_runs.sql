-- Purpose: the last run of each kind of each sync, dry ones left out.
-- Parameters: none.
-- Indexes: sync_run_latest.
SELECT DISTINCT ON (sync_name, kind)
       sync_name, kind, id AS run_id, state, started_at, finished_at, message, summary
FROM krayin_sync.sync_run
WHERE NOT dry_run
ORDER BY sync_name, kind, id DESC
