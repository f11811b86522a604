-- Purpose: what was to happen to the records of a contact that is gone in Chatwoot has happened.
-- Parameters: ids (bigint[], mapping rows), erased (boolean: nothing of them is left in Krayin).
-- Indexes: mapping_pkey.
UPDATE krayin_sync.mapping
SET settled_at = clock_timestamp(),
    crm_id = CASE WHEN %(erased)s THEN NULL ELSE crm_id END,
    last_sent = CASE WHEN %(erased)s THEN NULL ELSE last_sent END,
    pending_write = CASE WHEN %(erased)s THEN NULL ELSE pending_write END
WHERE id = ANY(%(ids)s)
