-- Purpose: records under ids that were ours, made by calls whose answers showed that this is another Krayin.
-- Parameters: target_id.
-- Indexes: operation_queue.
SELECT made.key, made.value::bigint
FROM krayin_sync.operation
CROSS JOIN jsonb_array_elements(candidates) AS candidate
CROSS JOIN jsonb_each_text(candidate) AS made
WHERE target_id = %(target_id)s AND state = 'unknown' AND error_class = 'another_krayin'
