-- Purpose: the Chatwoot installations from which a sync brought an account over to a Krayin so far.
-- Parameters: sync_name, target_id, account_id.
-- Indexes: watermark_pkey, chatwoot_installation_pkey.
SELECT DISTINCT installation.identity
FROM krayin_sync.watermark AS watermark
JOIN krayin_sync.chatwoot_installation AS installation ON installation.id = watermark.installation_id
WHERE watermark.sync_name = %(sync_name)s
    AND watermark.stream = 'contacts'
    AND watermark.target_id = %(target_id)s
    AND watermark.account_id = %(account_id)s
