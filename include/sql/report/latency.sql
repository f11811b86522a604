-- Purpose: how long webhooks and changes took in each of the last 30 days that had any.
-- Parameters: sync_name, until (timestamptz).
-- Indexes: operation_of_run.
SELECT path, day, changes, p50_seconds, p95_seconds, max_seconds
FROM krayin_sync.latency_by_day
WHERE sync_name = %(sync_name)s AND day > %(until)s::timestamptz - interval '30 days' AND day <= %(until)s
ORDER BY path, day
