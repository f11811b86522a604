-- Purpose: what was declined is planned after all, unless a newer plan for the same record exists.
-- Parameters: sync_name, approval_id.
-- Indexes: operation_of_approval, operation_planned, operation_busy.
UPDATE krayin_sync.operation AS operation
SET state = 'planned', next_attempt_at = clock_timestamp(), finished_at = NULL
WHERE operation.approval_id = %(approval_id)s AND operation.sync_name = %(sync_name)s
  AND operation.state = 'declined'
  AND NOT EXISTS (
      SELECT 1
      FROM krayin_sync.operation AS newer
      WHERE newer.target_id = operation.target_id AND newer.installation_id = operation.installation_id
        AND newer.account_id = operation.account_id AND newer.source_kind = operation.source_kind
        AND newer.source_id = operation.source_id AND newer.id > operation.id AND newer.state <> 'superseded'
  )
RETURNING operation.id, operation.source_kind, operation.source_id
