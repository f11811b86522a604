-- Purpose: what became of the findings under repair once their operations were carried out.
-- Parameters: sync_name.
-- Indexes: finding_present, operation_pkey.
UPDATE krayin_sync.finding AS finding
SET state = CASE operation.state WHEN 'done' THEN 'repaired' WHEN 'superseded' THEN 'resolved' ELSE 'reported' END,
    ended_at = CASE WHEN operation.state IN ('done', 'superseded') THEN clock_timestamp() END
FROM krayin_sync.operation AS operation
WHERE finding.sync_name = %(sync_name)s AND finding.state = 'repairing' AND operation.id = finding.operation_id
  AND (operation.state IN ('done', 'rejected', 'quarantined', 'declined')
       OR (operation.state = 'superseded' AND operation.error_class = 'withdrawn'))
