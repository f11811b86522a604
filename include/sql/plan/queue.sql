-- Purpose: what a sync has planned, in the order in which a worker takes it, with what each is expected to cost.
-- Parameters: target_id, sync_name.
-- Indexes: operation_queue.
SELECT source_kind, source_id, forecast_calls, forecast_reads, forecast_company,
       next_attempt_at = 'infinity' AS waits
FROM krayin_sync.operation
WHERE target_id = %(target_id)s AND sync_name = %(sync_name)s AND state = 'planned'
ORDER BY lane, next_attempt_at, id
