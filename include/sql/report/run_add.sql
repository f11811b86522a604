-- Purpose: add to the summary of a run and leave its state alone.
-- Parameters: run_id, summary (JSON object, merged into what is there).
-- Indexes: sync_run_pkey.
UPDATE krayin_sync.sync_run
SET summary = summary || %(summary)s
WHERE id = %(run_id)s
