-- Purpose: delete some webhooks whose entities were read and planned long ago; their ids come back.
-- Parameters: after (id), age (interval), size.
-- Indexes: inbox_event_pkey.
DELETE FROM krayin_sync.inbox_event
WHERE id IN (
    SELECT id FROM krayin_sync.inbox_event
    WHERE id > %(after)s AND processed_at < clock_timestamp() - %(age)s
    ORDER BY id LIMIT %(size)s
    FOR UPDATE SKIP LOCKED
)
RETURNING id
