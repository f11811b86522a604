-- Purpose: take back what dead workers left: a call that may have been made becomes unknown, the rest is free again.
-- Parameters: target_id, settle (interval Krayin is given to finish a call nobody waits for any more).
-- Indexes: operation_busy.
UPDATE krayin_sync.operation
SET state = CASE WHEN state = 'in_flight' THEN 'unknown' ELSE state END,
    error_class = CASE WHEN state = 'in_flight' THEN 'worker_lost' ELSE error_class END,
    next_attempt_at = CASE WHEN state = 'in_flight' THEN greatest(sent_at + %(settle)s, clock_timestamp())
                           ELSE next_attempt_at END,
    worker = NULL, lease_until = NULL, fence = nextval('krayin_sync.operation_fence')
WHERE target_id = %(target_id)s AND worker IS NOT NULL AND lease_until < clock_timestamp()
