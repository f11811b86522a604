-- Purpose: what is held under approvals that were merged into another belongs to that one. Its own transaction:
--          whoever replaces one of these operations meanwhile may be waiting for the approvals themselves.
-- Parameters: sync_name, approval_id.
-- Indexes: operation_of_approval.
UPDATE krayin_sync.operation
SET approval_id = %(approval_id)s
WHERE state IN ('held', 'superseded')
  AND approval_id IN (
      SELECT id FROM krayin_sync.approval WHERE sync_name = %(sync_name)s AND state = 'withdrawn'
  )
  AND approval_id <> %(approval_id)s
