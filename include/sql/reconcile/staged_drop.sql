-- Purpose: what a run staged and is not to plan.
-- Parameters: run_id, source_kind, source_ids (text[]).
-- Indexes: staged_activity_pkey.
DELETE FROM krayin_sync.staged_activity
WHERE run_id = %(run_id)s AND source_kind = %(source_kind)s AND source_id = ANY(%(source_ids)s)
