-- Purpose: take the checksum diff that a plan ends with, if it is complete, of that sync, and was not taken before.
-- Parameters: diff_id, sync_name, target_id, installation_id, account_id.
-- Indexes: checksum_diff_pkey.
UPDATE krayin_sync.checksum_diff
SET remembered_at = clock_timestamp()
WHERE id = %(diff_id)s AND compared_at IS NOT NULL AND remembered_at IS NULL AND sync_name = %(sync_name)s
  AND target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
RETURNING id
