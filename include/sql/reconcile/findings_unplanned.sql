-- Purpose: findings whose repair needed no operation.
-- Parameters: reconciliation_id, state (what they are now).
-- Indexes: finding_of_reconciliation.
UPDATE krayin_sync.finding
SET state = %(state)s, ended_at = CASE WHEN %(state)s = 'repaired' THEN clock_timestamp() END
WHERE reconciliation_id = %(reconciliation_id)s AND state = 'repairing' AND operation_id IS NULL
