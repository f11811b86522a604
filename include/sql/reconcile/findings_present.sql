-- Purpose: what was found earlier and may still be there, to be looked at again.
-- Parameters: sync_name.
-- Indexes: finding_present.
SELECT source_kind, source_id, contact_id, crm_kind, crm_id, class
FROM krayin_sync.finding
WHERE sync_name = %(sync_name)s AND state NOT IN ('repaired', 'resolved')
