-- Purpose: how many operations of a run wait for approval.
-- Parameters: run_id.
-- Indexes: operation_of_run.
SELECT count(*) FROM krayin_sync.operation WHERE run_id = %(run_id)s AND state = 'held'
