-- Purpose: note that the entities of these events are planned; part of the transaction that plans them.
-- Parameters: ids (bigint[]), run_id (or NULL).
-- Indexes: inbox_event_pkey.
UPDATE krayin_sync.inbox_event
SET processed_at = clock_timestamp(), run_id = %(run_id)s
WHERE id = ANY(%(ids)s)
