-- Purpose: what is open between the syncs and their work, the oldest first.
-- Parameters: none.
-- Indexes: incident_open.
SELECT incident_id, kind, sync_name, krayin, sentence, opened_at, last_seen_at
FROM krayin_sync.incidents
WHERE closed_at IS NULL
ORDER BY incident_id
