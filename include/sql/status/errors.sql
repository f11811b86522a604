-- Purpose: what failed, by reason, the most frequent first; tried again or not.
-- Parameters: none.
-- Indexes: operation_quarantine, operation_queue.
SELECT sync_name, error_class,
       state IN ('quarantined', 'rejected') AS given_up,
       state = 'quarantined' AS quarantined,
       sum(operations)::bigint AS operations, min(oldest) AS oldest
FROM krayin_sync.error_summary
GROUP BY sync_name, error_class, state IN ('quarantined', 'rejected'), state = 'quarantined'
ORDER BY sync_name, operations DESC, error_class
