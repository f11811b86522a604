-- Purpose: have activities written anew, when they took place included, which is otherwise written when it changes.
-- Parameters: ids (bigint[], mapping rows).
-- Indexes: mapping_pkey.
UPDATE krayin_sync.mapping
SET source_hash = ''::bytea, acked_hash = NULL, last_sent = last_sent - ARRAY['schedule_from', 'schedule_to']
WHERE id = ANY(%(ids)s)
