-- Purpose: what a sync knows of its Chatwoot from the last look that was whole.
-- Parameters: sync_name, target_id, installation_id, account_id.
-- Indexes: source_baseline_pkey.
SELECT document
FROM krayin_sync.source_baseline
WHERE sync_name = %(sync_name)s AND target_id = %(target_id)s
  AND installation_id = %(installation_id)s AND account_id = %(account_id)s
