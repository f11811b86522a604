-- Purpose: the next staged stage moves of a run, by contact.
-- Parameters: run_id, after (the last contact of the chunk before), size.
-- Indexes: staged_activity_pkey.
SELECT contact_id, source_hash, desired
FROM krayin_sync.staged_activity
WHERE run_id = %(run_id)s AND source_kind = 'stage' AND contact_id > %(after)s
ORDER BY contact_id
LIMIT %(size)s
