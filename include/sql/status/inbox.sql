-- Purpose: webhooks that wait for a run.
-- Parameters: none.
-- Indexes: inbox_event_open.
SELECT sync_name, count(*) AS events, min(received_at) AS oldest
FROM krayin_sync.inbox_event
WHERE processed_at IS NULL
GROUP BY sync_name
