-- Purpose: approvals that need no answer of their own any more.
-- Parameters: approval_ids (bigint[]).
-- Indexes: approval_pkey.
UPDATE krayin_sync.approval
SET state = 'withdrawn', decided_at = clock_timestamp()
WHERE id = ANY(%(approval_ids)s) AND state IN ('open', 'asked')
