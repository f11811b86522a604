-- Purpose: contacts that a run staged and is not to plan.
-- Parameters: run_id, contact_ids (bigint[]).
-- Indexes: staged_contact_pkey.
DELETE FROM krayin_sync.staged_contact WHERE run_id = %(run_id)s AND contact_id = ANY(%(contact_ids)s)
