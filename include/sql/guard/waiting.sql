-- Purpose: the approvals of a sync that nobody answered yet; their answers wait until this transaction ends.
-- Parameters: sync_name.
-- Indexes: approval_waiting.
SELECT id, state
FROM krayin_sync.approval
WHERE sync_name = %(sync_name)s AND state IN ('open', 'asked')
ORDER BY id
FOR SHARE
