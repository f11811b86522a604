-- Purpose: take one value of an erased contact out of the summaries of runs.
-- Parameters: sync_names (text[]), value, json_value (as it stands in JSON text).
-- Indexes: sync_run_latest.
UPDATE krayin_sync.sync_run
SET summary = replace(summary::text, %(json_value)s, '[erased]')::jsonb,
    message = replace(message, %(value)s, '[erased]')
WHERE sync_name = ANY(%(sync_names)s)
  AND (strpos(summary::text, %(json_value)s) > 0 OR strpos(message, %(value)s) > 0)
