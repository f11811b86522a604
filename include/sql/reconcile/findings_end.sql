-- Purpose: what a comparison looked for again and did not find is over; but not where it did not look because another
--          run's work was planned or under way.
-- Parameters: reconciliation_id, run_id, sync_name, contact_ids (bigint[], NULL: all).
-- Indexes: finding_present, operation_pkey, operation_planned.
UPDATE krayin_sync.finding AS finding
SET state = CASE finding.state WHEN 'repairing' THEN 'repaired' ELSE 'resolved' END, ended_at = clock_timestamp()
WHERE finding.sync_name = %(sync_name)s AND finding.reconciliation_id <> %(reconciliation_id)s
  AND finding.state NOT IN ('repaired', 'resolved')
  AND (%(contact_ids)s::bigint[] IS NULL OR finding.contact_id = ANY(%(contact_ids)s::bigint[]))
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.operation
      WHERE operation.id = finding.operation_id AND operation.state IN ('planned', 'held', 'in_flight', 'unknown'))
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.operation
      WHERE operation.target_id = finding.target_id AND operation.installation_id = finding.installation_id
        AND operation.account_id = finding.account_id AND operation.source_kind = finding.source_kind
        AND operation.source_id = finding.source_id AND operation.state IN ('planned', 'held')
        AND operation.run_id <> %(run_id)s)
