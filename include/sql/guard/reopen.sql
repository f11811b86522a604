-- Purpose: a question ended without an answer: its plan stays held.
-- Parameters: approval_id.
-- Indexes: approval_pkey.
UPDATE krayin_sync.approval
SET state = 'open', nudged_at = clock_timestamp()
WHERE id = %(approval_id)s AND state = 'asked'
