-- Purpose: some staged contacts, in order of id.
-- Parameters: run_id, contact_ids (bigint[]).
-- Indexes: staged_contact_pkey.
SELECT contact_id, desired, person_hash, lead_hash, active_at
FROM krayin_sync.staged_contact
WHERE run_id = %(run_id)s AND contact_id = ANY(%(contact_ids)s)
ORDER BY contact_id
