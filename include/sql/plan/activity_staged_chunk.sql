-- Purpose: the next staged activities or stage moves of a run, contact by contact, each contact's in the order they
--          were made.
-- Parameters: run_id, kinds (text[]), after_contact, after_kind, after_length, after_id (the last row of the chunk
--             before), size.
-- Indexes: staged_activity_pkey.
SELECT contact_id, source_kind, source_id, source_hash, desired
FROM krayin_sync.staged_activity
WHERE run_id = %(run_id)s AND source_kind = ANY(%(kinds)s)
  AND (contact_id, source_kind, length(source_id), source_id)
      > (%(after_contact)s::bigint, %(after_kind)s::text, %(after_length)s::integer, %(after_id)s::text)
ORDER BY contact_id, source_kind, length(source_id), source_id
LIMIT %(size)s
