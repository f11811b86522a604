-- Purpose: begin a comparison, or begin the one of this run anew.
-- Parameters: run_id, sync_name, target_id, installation_id, account_id, depth, repair.
-- Indexes: reconciliation_of_run.
INSERT INTO krayin_sync.reconciliation (run_id, sync_name, target_id, installation_id, account_id, depth, repair)
VALUES (%(run_id)s, %(sync_name)s, %(target_id)s, %(installation_id)s, %(account_id)s, %(depth)s, %(repair)s)
ON CONFLICT (run_id) DO UPDATE SET started_at = clock_timestamp(), finished_at = NULL, counts = '{}'
RETURNING id
