-- Purpose: how many contacts have a difference that nobody accepted; those that are gone in Chatwoot are in no scope.
-- Parameters: sync_name.
-- Indexes: finding_present.
SELECT count(DISTINCT contact_id)
FROM krayin_sync.finding
WHERE sync_name = %(sync_name)s AND state IN ('open', 'reported', 'repairing') AND class NOT IN ('truncated', 'orphan')
