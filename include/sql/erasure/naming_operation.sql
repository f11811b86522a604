-- Purpose: the operations that name one of an erased contact's values where they say what went wrong.
-- Parameters: target_id, values (text[]).
-- Indexes: none: a scan, erasures are rare.
SELECT id, error_message, candidates
FROM krayin_sync.operation
WHERE target_id = %(target_id)s
  AND EXISTS (
      SELECT FROM unnest(%(values)s::text[]) AS value
      WHERE strpos(error_message, value) > 0
         OR EXISTS (
             SELECT FROM jsonb_path_query(candidates, 'strict $.** ? (@.type() == "string")') AS leaf
             WHERE strpos(leaf #>> '{}', value) > 0))
