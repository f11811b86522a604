-- Purpose: take the events that are not planned yet, oldest first; also those of a run that died before planning.
-- Parameters: sync_name, size.
-- Indexes: inbox_event_open, inbox_event_pkey.
UPDATE krayin_sync.inbox_event AS event
SET claimed_at = clock_timestamp()
FROM (
    SELECT id FROM krayin_sync.inbox_event
    WHERE sync_name = %(sync_name)s AND processed_at IS NULL
    ORDER BY id
    LIMIT %(size)s
    FOR UPDATE
) AS open
WHERE event.id = open.id
RETURNING event.id, event.entities, event.received_at
