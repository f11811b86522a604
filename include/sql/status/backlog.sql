-- Purpose: what waits, by lane.
-- Parameters: none.
-- Indexes: operation_queue for what is planned; held ones are few.
SELECT sync_name, lane_name,
       sum(operations) FILTER (WHERE state <> 'held')::bigint AS operations,
       sum(due)::bigint AS due,
       sum(waiting_for_others)::bigint AS waiting_for_others,
       sum(operations) FILTER (WHERE state = 'unknown')::bigint AS unknown,
       sum(forecast_calls) FILTER (WHERE state <> 'held')::bigint AS forecast_calls,
       min(oldest) FILTER (WHERE state <> 'held') AS oldest
FROM krayin_sync.backlog
GROUP BY sync_name, lane, lane_name
HAVING bool_or(state <> 'held')
ORDER BY sync_name, lane
