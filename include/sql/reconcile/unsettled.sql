-- Purpose: what somebody must decide, and calls whose outcome is not known.
-- Parameters: target_id, installation_id, account_id, sync_name.
-- Indexes: operation_quarantine, operation_busy.
SELECT id, source_kind, source_id, state, error_class, error_message, candidates, contact_id
FROM krayin_sync.operation
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND sync_name = %(sync_name)s AND state IN ('quarantined', 'unknown')
ORDER BY id
