-- Purpose: the runs whose message or summary names one of an erased contact's values.
-- Parameters: sync_names (text[]), values (text[]).
-- Indexes: sync_run_latest.
SELECT id, message, summary
FROM krayin_sync.sync_run
WHERE sync_name = ANY(%(sync_names)s)
  AND EXISTS (
      SELECT FROM unnest(%(values)s::text[]) AS value
      WHERE strpos(message, value) > 0
         OR EXISTS (
             SELECT FROM jsonb_path_query(summary, 'strict $.** ? (@.type() == "string")') AS leaf
             WHERE strpos(leaf #>> '{}', value) > 0))
