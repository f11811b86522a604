-- Purpose: whether Krayin showed any person with an e-mail.
-- Parameters: target_id.
-- Indexes: crm_snapshot_key_pkey.
SELECT 1
FROM krayin_sync.crm_snapshot_key
WHERE target_id = %(target_id)s AND crm_kind = 'person' AND starts_with(key, 'email:')
LIMIT 1
