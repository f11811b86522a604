-- Purpose: note how new the newest reading of a sync's Chatwoot was, and the contacts changed last, where it was of the
--   history known.
-- Parameters: sync_name, target_id, installation_id, account_id, lineage, moment (JSON).
-- Indexes: source_baseline_pkey.
UPDATE krayin_sync.source_baseline
SET document = document || %(moment)s
WHERE sync_name = %(sync_name)s AND target_id = %(target_id)s
  AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND document ->> 'lineage' = %(lineage)s
