-- Purpose: note what an update is about to write, in the transaction that commits its intent.
-- Parameters: id, last_sent (JSON or NULL), pending_write (JSON).
-- Indexes: mapping_pkey.
UPDATE krayin_sync.mapping
SET last_sent = %(last_sent)s, pending_write = %(pending_write)s
WHERE id = %(id)s
