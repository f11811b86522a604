-- Purpose: delete some incidents that ended long ago; their ids come back.
-- Parameters: after (id), age (interval), size.
-- Indexes: incident_pkey.
DELETE FROM krayin_sync.incident
WHERE id IN (
    SELECT id FROM krayin_sync.incident
    WHERE id > %(after)s AND closed_at < clock_timestamp() - %(age)s
    ORDER BY id LIMIT %(size)s
    FOR UPDATE SKIP LOCKED
)
RETURNING id
