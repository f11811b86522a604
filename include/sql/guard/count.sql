-- Purpose: how many records a sync changed in Krayin, or is about to, within a period, without anybody being asked.
-- Parameters: sync_name, period (interval), most (stop counting here; NULL: count all).
-- Indexes: operation_changes.
SELECT count(*)
FROM (
    SELECT DISTINCT source_kind, source_id
    FROM krayin_sync.operation
    WHERE sync_name = %(sync_name)s AND changes <> '{}' AND approval_id IS NULL
      AND created_at > clock_timestamp() - %(period)s
      AND state IN ('planned', 'in_flight', 'unknown', 'done')
    LIMIT %(most)s
) AS changed
