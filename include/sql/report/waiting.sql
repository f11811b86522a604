-- Purpose: what of a sync is still to be done, and when the next of it is due.
-- Parameters: target_id, sync_name, lowest_lane.
-- Indexes: operation_queue.
SELECT count(*) AS waiting,
       count(*) FILTER (WHERE next_attempt_at <= clock_timestamp()) AS due,
       extract(epoch FROM min(next_attempt_at) FILTER (WHERE next_attempt_at < 'infinity') - clock_timestamp()) AS next_due
FROM krayin_sync.operation
WHERE target_id = %(target_id)s
  AND sync_name = %(sync_name)s
  AND lane <= %(lowest_lane)s
  AND state IN ('planned', 'unknown', 'in_flight')
  AND next_attempt_at < 'infinity'
