-- Purpose: have records planned anew as if they had changed; with recreate as if they had never been made.
-- Parameters: ids (bigint[], mapping rows), recreate (boolean).
-- Indexes: mapping_pkey.
UPDATE krayin_sync.mapping
SET source_hash = ''::bytea,
    acked_hash = NULL,
    state = CASE WHEN %(recreate)s THEN 'pending' ELSE state END,
    crm_id = CASE WHEN %(recreate)s THEN NULL ELSE crm_id END,
    last_sent = CASE WHEN %(recreate)s THEN NULL ELSE last_sent END,
    pending_write = CASE WHEN %(recreate)s THEN NULL ELSE pending_write END
WHERE id = ANY(%(ids)s)
