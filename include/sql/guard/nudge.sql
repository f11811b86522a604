-- Purpose: note that Airflow is told of an approval nobody is asked about; no row means that there is none, that
--          it was told a moment ago, or that another one of the sync is being answered first.
-- Parameters: sync_name, again_after (interval), given_up_after (interval: a question older than this lost its DAG run).
-- Indexes: approval_waiting.
UPDATE krayin_sync.approval AS approval
SET nudged_at = clock_timestamp()
WHERE approval.sync_name = %(sync_name)s
  AND (approval.state = 'open'
       OR (approval.state = 'asked' AND approval.asked_at < clock_timestamp() - %(given_up_after)s))
  AND (approval.nudged_at IS NULL OR approval.nudged_at < clock_timestamp() - %(again_after)s)
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.approval AS other
      WHERE other.sync_name = approval.sync_name AND other.state = 'asked'
        AND other.asked_at >= clock_timestamp() - %(given_up_after)s
  )
RETURNING approval.id
