-- Purpose: keep a finding without the values of an erased contact.
-- Parameters: id, text, document (JSON).
-- Indexes: finding_pkey.
UPDATE krayin_sync.finding SET repair = %(text)s, detail = %(document)s WHERE id = %(id)s
