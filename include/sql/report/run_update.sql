-- Purpose: note the state of a run and add to its summary.
-- Parameters: run_id, state, summary (JSON object, merged into what is there), message (or NULL), finished (boolean).
-- Indexes: sync_run_pkey.
UPDATE krayin_sync.sync_run
SET state = %(state)s,
    summary = summary || %(summary)s,
    message = coalesce(%(message)s, message),
    finished_at = CASE WHEN %(finished)s THEN clock_timestamp() END
WHERE id = %(run_id)s
