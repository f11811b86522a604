-- Purpose: how many contacts have a difference that nobody accepted; those that are gone in Chatwoot are in no scope,
--          and those whose repair is under way since an earlier comparison count as waiting.
-- Parameters: sync_name, reconciliation_id.
-- Indexes: finding_present, operation_pkey.
SELECT count(DISTINCT contact_id)
FROM krayin_sync.finding
WHERE sync_name = %(sync_name)s AND state IN ('open', 'reported', 'repairing') AND class NOT IN ('truncated', 'orphan')
  AND (reconciliation_id = %(reconciliation_id)s
       OR NOT EXISTS (
           SELECT FROM krayin_sync.operation
           WHERE operation.id = finding.operation_id AND operation.state IN ('planned', 'held', 'in_flight', 'unknown')))
