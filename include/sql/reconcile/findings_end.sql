-- Purpose: what a comparison looked for again and did not find is over.
-- Parameters: reconciliation_id, sync_name, contact_ids (bigint[], NULL: all).
-- Indexes: finding_present.
UPDATE krayin_sync.finding
SET state = CASE state WHEN 'repairing' THEN 'repaired' ELSE 'resolved' END, ended_at = clock_timestamp()
WHERE sync_name = %(sync_name)s AND reconciliation_id <> %(reconciliation_id)s
  AND state NOT IN ('repaired', 'resolved')
  AND (%(contact_ids)s::bigint[] IS NULL OR contact_id = ANY(%(contact_ids)s::bigint[]))
