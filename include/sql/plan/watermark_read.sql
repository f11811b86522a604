-- Purpose: how far a stream of a sync has been read, with which settings.
-- Parameters: sync_name, stream, target_id, installation_id, account_id.
-- Indexes: watermark_pkey.
SELECT position, settings_hash
FROM krayin_sync.watermark
WHERE sync_name = %(sync_name)s AND stream = %(stream)s AND target_id = %(target_id)s
  AND installation_id = %(installation_id)s AND account_id = %(account_id)s
