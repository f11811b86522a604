-- Purpose: how many deletions of persons wait for Krayin's own limit of them, and in how many seconds the next is due.
-- Parameters: target_id, sync_name, lowest_lane.
-- Indexes: operation_queue.
SELECT count(*), coalesce(extract(epoch FROM min(next_attempt_at) - clock_timestamp()), 0)::float8
FROM krayin_sync.operation
WHERE target_id = %(target_id)s AND sync_name = %(sync_name)s AND lane <= %(lowest_lane)s AND state = 'planned'
  AND error_class = 'deletions_limited'
