-- Purpose: what a comparison found, by class and state.
-- Parameters: reconciliation_id.
-- Indexes: finding_of_reconciliation.
SELECT class, state, count(*), sum(repair_calls)
FROM krayin_sync.finding
WHERE reconciliation_id = %(reconciliation_id)s
GROUP BY class, state
ORDER BY class, state
