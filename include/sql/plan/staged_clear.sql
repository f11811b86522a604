-- Purpose: drop what a run staged, at its start (a retry stages again) and at its end.
-- Parameters: run_id.
-- Indexes: staged_contact_pkey.
DELETE FROM krayin_sync.staged_contact WHERE run_id = %(run_id)s
