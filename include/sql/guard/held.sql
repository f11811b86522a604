-- Purpose: what an approval is about: one row per held operation, those that change most first; ids and field names.
-- Parameters: approval_id.
-- Indexes: operation_of_approval.
SELECT source_kind, source_id, changes, removes, forecast_calls, forecast_reads
FROM krayin_sync.operation
WHERE approval_id = %(approval_id)s AND state = 'held'
ORDER BY cardinality(changes) DESC, id
