-- Purpose: record an answer; the first one counts.
-- Parameters: approval_id, state (approved or declined), decided_by.
-- Indexes: approval_pkey.
UPDATE krayin_sync.approval
SET state = %(state)s, decided_at = clock_timestamp(), decided_by = %(decided_by)s
WHERE id = %(approval_id)s AND state IN ('open', 'asked')
