-- Purpose: forget a contact between extract and plan.
-- Parameters: sync_names (text[]), contact_id (text).
-- Indexes: staged_contact_pkey.
DELETE FROM krayin_sync.staged_contact
WHERE contact_id = %(contact_id)s::text::bigint
  AND run_id IN (SELECT id FROM krayin_sync.sync_run WHERE sync_name = ANY(%(sync_names)s))
