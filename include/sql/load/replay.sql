-- Purpose: quarantined operations of a sync go back to planned, unless a newer plan for the same record exists.
--          A step that was never taken is noted as replayed: Krayin is then asked before anything is created.
-- Parameters: sync_name, operation_id (or NULL: any), error_class (or NULL: any).
-- Indexes: operation_quarantine, operation_quarantined_record, operation_planned, operation_busy.
UPDATE krayin_sync.operation AS operation
SET state = 'planned', step = coalesce(operation.step, 'replayed'), attempts = 0,
    error_class = NULL, error_message = NULL, candidates = NULL,
    next_attempt_at = clock_timestamp(), finished_at = NULL
WHERE operation.sync_name = %(sync_name)s AND operation.state = 'quarantined'
  AND (%(operation_id)s::bigint IS NULL OR operation.id = %(operation_id)s)
  AND (%(error_class)s::text IS NULL OR operation.error_class = %(error_class)s)
  AND NOT EXISTS (
      SELECT 1
      FROM krayin_sync.operation AS newer
      WHERE newer.target_id = operation.target_id AND newer.installation_id = operation.installation_id
        AND newer.account_id = operation.account_id AND newer.source_kind = operation.source_kind
        AND newer.source_id = operation.source_id AND newer.id <> operation.id
        AND (newer.state IN ('planned', 'held', 'in_flight', 'unknown')
             OR (newer.state = 'quarantined' AND newer.id > operation.id))
  )
RETURNING operation.id, operation.source_kind, operation.source_id
