-- Purpose: take the sweep that a plan ends with, if it is complete, of that sync, and was not taken before.
-- Parameters: sweep_id, sync_name, target_id, installation_id, account_id.
-- Indexes: sweep_pkey.
UPDATE krayin_sync.sweep
SET remembered_at = clock_timestamp()
WHERE id = %(sweep_id)s AND compared_at IS NOT NULL AND remembered_at IS NULL AND sync_name = %(sync_name)s
  AND target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
RETURNING id
