-- Purpose: the ids of the next staged contacts.
-- Parameters: run_id, after (contact id), size.
-- Indexes: staged_contact_pkey.
SELECT contact_id
FROM krayin_sync.staged_contact
WHERE run_id = %(run_id)s AND contact_id > %(after)s
ORDER BY contact_id
LIMIT %(size)s
