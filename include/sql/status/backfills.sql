-- Purpose: how far the backfills of the last two weeks are, by sync.
-- Parameters: none.
-- Indexes: sync_run_latest.
SELECT sync_name,
       count(*) AS runs,
       count(*) FILTER (WHERE state = 'done') AS done,
       count(*) FILTER (WHERE state IN ('failed', 'stopped')) AS failed,
       count(*) FILTER (WHERE finished_at IS NULL) AS open,
       min(started_at) AS started_at,
       max(finished_at) AS finished_at,
       sum((summary ->> 'done')::bigint) AS operations_done
FROM krayin_sync.sync_run
WHERE kind = 'backfill' AND NOT dry_run AND started_at > clock_timestamp() - interval '14 days'
GROUP BY sync_name
