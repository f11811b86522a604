-- Purpose: the comparison of a run and what it counted.
-- Parameters: run_id.
-- Indexes: reconciliation_of_run.
SELECT id, sync_name, target_id, installation_id, account_id, depth, counts
FROM krayin_sync.reconciliation
WHERE run_id = %(run_id)s
