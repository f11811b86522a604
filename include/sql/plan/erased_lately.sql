-- Purpose: whether any contact was erased since a run began.
-- Parameters: run_id, target_id, installation_id, account_id.
-- Indexes: sync_run_pkey, erasure_of_contact.
SELECT EXISTS (
    SELECT 1
    FROM krayin_sync.erasure
    WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
      AND lifted_at IS NULL
      AND requested_at >= (SELECT started_at FROM krayin_sync.sync_run WHERE id = %(run_id)s)
)
