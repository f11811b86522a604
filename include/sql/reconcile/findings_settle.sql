-- Purpose: what became of the findings under repair once their operations were carried out.
-- Parameters: sync_name.
-- Indexes: finding_present, operation_pkey.
UPDATE krayin_sync.finding AS finding
SET state = CASE WHEN operation.state = 'done' THEN 'repaired' ELSE 'reported' END,
    ended_at = CASE WHEN operation.state = 'done' THEN clock_timestamp() END
FROM krayin_sync.operation AS operation
WHERE finding.sync_name = %(sync_name)s AND finding.state = 'repairing' AND operation.id = finding.operation_id
  AND operation.state IN ('done', 'rejected', 'quarantined', 'declined')
