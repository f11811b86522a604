-- Purpose: how many calls a run made, all and by whether they write.
-- Parameters: run_id.
-- Indexes: api_call_of_run.
SELECT count(*) AS calls,
       count(*) FILTER (WHERE method <> 'GET') AS writes,
       count(*) FILTER (WHERE outcome = 'rate_limited') AS refused
FROM krayin_sync.api_call
WHERE run_id = %(run_id)s
