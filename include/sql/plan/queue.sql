-- Purpose: what a sync has planned and may be carried out, in the order in which a worker takes it; neighbours that
--          are expected to cost the same come as one row with their number.
-- Parameters: target_id, sync_name, lowest_lane, companies (text[]: those whose organization is asked for or waited for).
-- Indexes: operation_queue.
WITH ready AS (
    SELECT forecast_calls, forecast_reads, lane, next_attempt_at, id,
           CASE WHEN forecast_company = ANY(%(companies)s) THEN forecast_company END AS company
    FROM krayin_sync.operation
    WHERE target_id = %(target_id)s AND sync_name = %(sync_name)s AND state = 'planned'
      AND lane <= %(lowest_lane)s AND next_attempt_at < 'infinity'
),
compared AS (
    SELECT *,
           forecast_calls IS DISTINCT FROM lag(forecast_calls) OVER ordered
           OR forecast_reads IS DISTINCT FROM lag(forecast_reads) OVER ordered
           OR company IS DISTINCT FROM lag(company) OVER ordered AS differs
    FROM ready
    WINDOW ordered AS (ORDER BY lane, next_attempt_at, id)
),
numbered AS (
    SELECT *, count(*) FILTER (WHERE differs) OVER (ORDER BY lane, next_attempt_at, id) AS place
    FROM compared
)
SELECT min(forecast_calls) AS forecast_calls, min(forecast_reads) AS forecast_reads, min(company) AS company,
       count(*) AS number
FROM numbered
GROUP BY place
ORDER BY place
