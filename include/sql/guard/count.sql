-- Purpose: how many records a sync changed in Krayin, or is about to, within a period, without anybody being asked;
--          0 when the run is not about to change any. What it removes or overwrites is counted on its own.
-- Parameters: sync_name, run_id, removals (boolean), period (interval), most (stop counting here; NULL: count all).
-- Indexes: operation_changes (its bound must be fixed within the statement, so it is the transaction's time),
--          operation_of_run.
SELECT count(*)
FROM (
    SELECT DISTINCT source_kind, source_id
    FROM krayin_sync.operation
    WHERE sync_name = %(sync_name)s AND changes <> '{}' AND approval_id IS NULL
      AND (removes <> '{}') = %(removals)s
      AND created_at > now() - %(period)s
      AND state IN ('planned', 'in_flight', 'unknown', 'done')
      AND EXISTS (
          SELECT 1 FROM krayin_sync.operation
          WHERE run_id = %(run_id)s AND state IN ('planned', 'in_flight') AND changes <> '{}' AND approval_id IS NULL
            AND (removes <> '{}') = %(removals)s
      )
    LIMIT %(most)s
) AS changed
