-- Purpose: the syncs that read the same Chatwoot account into the same Krayin.
-- Parameters: target_id, installation_id, account_id.
-- Indexes: none needed, a row for each sync and stream.
SELECT DISTINCT sync_name
FROM krayin_sync.watermark
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
