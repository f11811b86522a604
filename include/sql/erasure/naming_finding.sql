-- Purpose: the findings in which one of an erased contact's values stands.
-- Parameters: target_id, values (text[]).
-- Indexes: none: a scan, erasures are rare.
SELECT id, repair, detail
FROM krayin_sync.finding
WHERE target_id = %(target_id)s
  AND EXISTS (
      SELECT FROM unnest(%(values)s::text[]) AS value
      WHERE strpos(repair, value) > 0
         OR EXISTS (
             SELECT FROM jsonb_path_query(detail, 'strict $.** ? (@.type() == "string")') AS leaf
             WHERE strpos(leaf #>> '{}', value) > 0))
