-- Purpose: findings whose repair took no operation: what a survivor took over is done, a company's organization comes
--          with its persons, and for the rest the plan found nothing to write.
-- Parameters: reconciliation_id.
-- Indexes: finding_of_reconciliation.
UPDATE krayin_sync.finding
SET state = CASE WHEN class = 'orphan' THEN 'repaired' ELSE 'open' END,
    ended_at = CASE WHEN class = 'orphan' THEN clock_timestamp() END
WHERE reconciliation_id = %(reconciliation_id)s AND state = 'repairing' AND operation_id IS NULL
  AND source_kind <> 'company'
