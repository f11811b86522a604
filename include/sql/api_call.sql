-- name: add
-- One audit row for one call to Krayin; no bodies, no token.
-- Parameters: at, target_id, run_id, operation_id, lane, method, route, status, milliseconds, remaining, outcome.
INSERT INTO krayin_sync.api_call
    (at, target_id, run_id, operation_id, lane, method, route, status, milliseconds, remaining, outcome)
VALUES
    (%(at)s, %(target_id)s, %(run_id)s, %(operation_id)s, %(lane)s, %(method)s, %(route)s, %(status)s,
     %(milliseconds)s, %(remaining)s, %(outcome)s)


-- name: by_hour
-- Calls to a Krayin in each of the 24 hours before a moment, quiet hours included.
-- Parameters: target_id, until (timestamptz).
-- Indexes: api_call_recent.
SELECT hours.hour,
       count(call.id) AS calls,
       count(call.id) FILTER (WHERE call.outcome = 'rate_limited') AS refused
FROM generate_series(date_trunc('hour', %(until)s::timestamptz) - interval '23 hours',
                     date_trunc('hour', %(until)s::timestamptz), interval '1 hour') AS hours (hour)
LEFT JOIN krayin_sync.api_call AS call
       ON call.target_id = %(target_id)s AND call.at >= hours.hour AND call.at < hours.hour + interval '1 hour'
GROUP BY hours.hour
ORDER BY hours.hour


-- name: by_minute
-- Calls to a Krayin in each of the last 60 minutes, quiet ones included, and how many milliseconds it took to answer.
-- Parameters: target_id, until (timestamptz).
-- Indexes: api_call_recent.
SELECT minutes.minute, coalesce(calls, 0) AS calls, coalesce(refused, 0) AS refused, p50, p95
FROM generate_series(date_trunc('minute', %(until)s::timestamptz) - interval '59 minutes',
                     date_trunc('minute', %(until)s::timestamptz), interval '1 minute') AS minutes (minute)
LEFT JOIN (
    SELECT date_trunc('minute', at) AS minute, count(*) AS calls, count(*) FILTER (WHERE outcome = 'rate_limited') AS refused,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY milliseconds) AS p50,
           percentile_cont(0.95) WITHIN GROUP (ORDER BY milliseconds) AS p95
    FROM krayin_sync.api_call
    WHERE target_id = %(target_id)s AND at >= date_trunc('minute', %(until)s::timestamptz) - interval '59 minutes'
      AND at < date_trunc('minute', %(until)s::timestamptz) + interval '1 minute'
    GROUP BY 1
) AS called USING (minute)
ORDER BY minutes.minute


-- name: expire
-- Delete some rows of the audit of calls; their ids come back. Calls are stored in the order of their times, nearly: it is
-- over when none of the next ones is old enough.
-- Parameters: after (id, NULL at first), age (interval), size.
-- Indexes: api_call_pkey.
DELETE FROM krayin_sync.api_call
WHERE id IN (
    SELECT id
    FROM (
        SELECT id, at FROM krayin_sync.api_call WHERE id > coalesce(%(after)s::bigint, 0) ORDER BY id LIMIT %(size)s
    ) AS next
    WHERE at < now() - %(age)s
)
RETURNING id


-- name: of_run
-- How many calls a run made, all and by whether they write.
-- Parameters: run_id.
-- Indexes: api_call_of_run.
SELECT count(*) AS calls,
       count(*) FILTER (WHERE method <> 'GET') AS writes,
       count(*) FILTER (WHERE outcome = 'rate_limited') AS refused
FROM krayin_sync.api_call
WHERE run_id = %(run_id)s


-- name: pulse
-- How many calls each Krayin had in each of the last 24 hours, quiet ones included.
-- Indexes: api_call_recent, of which alone it is read.
SELECT target.base_url AS krayin,
       array_agg((SELECT count(*) FROM krayin_sync.api_call AS call
                  WHERE call.target_id = target.id AND call.at >= hour AND call.at < hour + interval '1 hour') ORDER BY hour) AS calls
FROM krayin_sync.krayin_target AS target
CROSS JOIN generate_series(date_trunc('hour', now()) - interval '23 hours', date_trunc('hour', now()), interval '1 hour') AS hour
GROUP BY target.id
