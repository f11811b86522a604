-- Purpose: the approvals of a sync that nobody answered yet, to be asked about.
-- Parameters: sync_name.
-- Indexes: approval_waiting.
SELECT id, shown
FROM krayin_sync.approval
WHERE sync_name = %(sync_name)s AND state IN ('open', 'asked')
ORDER BY id
FOR UPDATE
