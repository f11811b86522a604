-- Purpose: what a sync has planned for organizations that nobody has made yet.
-- Parameters: target_id, sync_name, lowest_lane.
-- Indexes: operation_queue.
SELECT source_id, forecast_calls, forecast_reads, forecast_company
FROM krayin_sync.operation
WHERE target_id = %(target_id)s AND sync_name = %(sync_name)s AND state = 'planned'
  AND lane <= %(lowest_lane)s AND next_attempt_at = 'infinity' AND source_kind = 'company'
