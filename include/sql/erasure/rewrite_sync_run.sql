-- Purpose: keep what a run says, without the values of an erased contact.
-- Parameters: id, text, document (JSON).
-- Indexes: sync_run_pkey.
UPDATE krayin_sync.sync_run SET message = %(text)s, summary = %(document)s WHERE id = %(id)s
