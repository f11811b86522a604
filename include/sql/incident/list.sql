-- Purpose: the open incidents of a sync and those of its Krayin, the oldest first; all of them without either.
-- Parameters: sync_name, target_id (NULL: not asked for).
-- Indexes: incident_open.
SELECT id, kind, sync_name, target_id, sentence, facts, opened_at, last_seen_at
FROM krayin_sync.incident
WHERE closed_at IS NULL
  AND ((%(sync_name)s::text IS NULL AND %(target_id)s::integer IS NULL)
       OR sync_name = %(sync_name)s
       OR (sync_name IS NULL AND target_id = %(target_id)s))
ORDER BY id
