-- Purpose: note that a record is gone in Krayin, or waits for a person.
-- Parameters: id, state.
-- Indexes: mapping_pkey.
UPDATE krayin_sync.mapping
SET state = %(state)s,
    crm_id = CASE WHEN %(state)s IN ('gone', 'pending') THEN NULL ELSE crm_id END,
    acked_hash = CASE WHEN %(state)s IN ('gone', 'pending') THEN NULL ELSE acked_hash END,
    last_sent = CASE WHEN %(state)s IN ('gone', 'pending') THEN NULL ELSE last_sent END,
    pending_write = CASE WHEN %(state)s IN ('gone', 'pending') THEN NULL ELSE pending_write END
WHERE id = %(id)s
