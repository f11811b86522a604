-- Purpose: what the last comparisons of everything saw, oldest first.
-- Parameters: sync_name, until (run id).
-- Indexes: reconciliation_latest.
SELECT finished_at, in_scope, in_sync, coverage
FROM (
    SELECT finished_at, in_scope, in_sync, coverage, run_id
    FROM krayin_sync.coverage_history
    WHERE sync_name = %(sync_name)s AND depth = 'full' AND coverage IS NOT NULL AND run_id <= %(until)s
    ORDER BY run_id DESC
    LIMIT 90
) AS last
ORDER BY run_id
