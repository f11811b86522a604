-- Purpose: the Chatwoot installations from which a sync brought an account over to a Krayin so far, or which a person
--   confirmed to be the one.
-- Parameters: sync_name, target_id, account_id.
-- Indexes: watermark_pkey, source_baseline_pkey, chatwoot_installation_pkey.
SELECT installation.identity
FROM krayin_sync.chatwoot_installation AS installation
WHERE installation.id IN (
    SELECT installation_id FROM krayin_sync.watermark
    WHERE sync_name = %(sync_name)s AND stream = 'contacts'
      AND target_id = %(target_id)s AND account_id = %(account_id)s
    UNION ALL
    SELECT installation_id FROM krayin_sync.source_baseline
    WHERE sync_name = %(sync_name)s AND target_id = %(target_id)s AND account_id = %(account_id)s
)
ORDER BY installation.id
