-- Purpose: the sweep that a plan ends with, if it is complete and of that sync, and locked against a second plan.
-- Parameters: sweep_id, sync_name, target_id, installation_id, account_id.
-- Indexes: sweep_pkey.
SELECT read_at
FROM krayin_sync.sweep
WHERE id = %(sweep_id)s AND compared_at IS NOT NULL AND sync_name = %(sync_name)s
  AND target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
FOR UPDATE
