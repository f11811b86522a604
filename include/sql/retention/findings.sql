-- Purpose: delete some differences that ended long ago; their ids come back.
-- Parameters: after (id), age (interval), size.
-- Indexes: finding_pkey.
DELETE FROM krayin_sync.finding
WHERE id IN (
    SELECT id FROM krayin_sync.finding
    WHERE id > %(after)s AND state IN ('repaired', 'resolved') AND ended_at < clock_timestamp() - %(age)s
    ORDER BY id LIMIT %(size)s
    FOR UPDATE SKIP LOCKED
)
RETURNING id
