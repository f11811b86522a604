-- Purpose: keep what an operation says, without the values of an erased contact.
-- Parameters: id, text, document (JSON).
-- Indexes: operation_pkey.
UPDATE krayin_sync.operation
SET error_message = %(text)s, candidates = nullif(%(document)s::jsonb, 'null')
WHERE id = %(id)s
