-- Purpose: note what Krayin accepted for a linked record.
-- Parameters: id, acked_hash, last_sent (JSON).
-- Indexes: mapping_pkey.
UPDATE krayin_sync.mapping
SET acked_hash = %(acked_hash)s, last_sent = %(last_sent)s, pending_write = NULL, acked_at = clock_timestamp()
WHERE id = %(id)s
