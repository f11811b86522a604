-- Purpose: the oldest open incident that stops all writing to a Krayin, if there is one.
-- Parameters: target_id.
-- Indexes: incident_open.
SELECT id, kind, sentence
FROM krayin_sync.incident
WHERE closed_at IS NULL AND sync_name IS NULL AND target_id = %(target_id)s
ORDER BY id
LIMIT 1
