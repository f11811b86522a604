-- Purpose: what is held under approvals that were merged into another belongs to that one, and what it replaced. Its
--          own transaction: whoever replaces one of these operations meanwhile may be waiting for the approvals.
-- Parameters: sync_name, approval_id, merged_ids (bigint[]).
-- Indexes: operation_of_approval.
UPDATE krayin_sync.operation
SET approval_id = %(approval_id)s
WHERE (state = 'superseded' AND approval_id = ANY(%(merged_ids)s))
   -- Of an earlier try as well, which may have died before this.
   OR (state = 'held' AND approval_id IN (
       SELECT id FROM krayin_sync.approval WHERE sync_name = %(sync_name)s AND state = 'withdrawn'
   ))
