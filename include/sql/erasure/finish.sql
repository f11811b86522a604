-- Purpose: note what an erasure did; numbers and ids of deleted records, nothing of a person.
-- Parameters: id, receipt (JSON), finished (boolean).
-- Indexes: erasure_pkey.
UPDATE krayin_sync.erasure
SET receipt = %(receipt)s, finished_at = CASE WHEN %(finished)s THEN clock_timestamp() END
WHERE id = %(id)s
