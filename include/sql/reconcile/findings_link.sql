-- Purpose: which operation of a run repairs each finding; a stage's finding is repaired by the contact's stage move.
-- Parameters: reconciliation_id, run_id, target_id, installation_id, account_id.
-- Indexes: finding_of_reconciliation, operation_of_run.
UPDATE krayin_sync.finding AS finding
SET operation_id = operation.id
FROM krayin_sync.operation AS operation
WHERE finding.reconciliation_id = %(reconciliation_id)s AND finding.state = 'repairing'
  AND operation.run_id = %(run_id)s AND operation.target_id = %(target_id)s
  AND operation.installation_id = %(installation_id)s AND operation.account_id = %(account_id)s
  AND operation.source_kind = CASE WHEN finding.class = 'moved_stage' THEN 'stage' ELSE finding.source_kind END
  AND operation.source_id = finding.source_id
