-- Purpose: how much of a declined plan is declined still.
-- Parameters: sync_name, approval_id.
-- Indexes: operation_of_approval.
SELECT count(*)
FROM krayin_sync.operation
WHERE approval_id = %(approval_id)s AND sync_name = %(sync_name)s AND state = 'declined'
