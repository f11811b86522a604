-- Purpose: note that a stream was compared, and with which memory. Plans that are being made now may come from an
--   earlier reading than this checksum diff and be written later than it: what they plan counts as planned since. A run that
--   is planning for more than a day is dead.
-- Parameters: diff_id, stream_id, formula, base, sync_name, read_at, margin (interval).
-- Indexes: sync_run_latest.
INSERT INTO krayin_sync.checksum_diff_compared (diff_id, stream_id, formula, base, read_at)
SELECT
    %(diff_id)s,
    %(stream_id)s,
    %(formula)s,
    %(base)s,
    least(%(read_at)s, min(run.started_at)) - %(margin)s::interval
FROM krayin_sync.sync_run AS run
WHERE run.state = 'planning' AND run.started_at > clock_timestamp() - interval '1 day'
