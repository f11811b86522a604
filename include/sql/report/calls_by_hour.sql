-- Purpose: calls to a Krayin in each of the 24 hours before a moment, quiet hours included.
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
