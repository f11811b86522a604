-- Purpose: tell whether something that webhooks brought up is planned and due, left over by an earlier run.
-- Parameters: sync_name, lane.
-- Indexes: operation_queue (by its partial condition; few rows are open at a time).
SELECT EXISTS (
    SELECT 1 FROM krayin_sync.operation
    WHERE sync_name = %(sync_name)s AND lane = %(lane)s AND state IN ('planned', 'unknown')
      AND worker IS NULL AND next_attempt_at <= clock_timestamp()
)
