-- Purpose: whether any person in Krayin is known to have an e-mail: Krayin showed one, or took one from us.
-- Parameters: target_id.
-- Indexes: crm_snapshot_key_pkey, mapping_target_id_installation_id_account_id_source_kind_so_key.
SELECT 1
FROM krayin_sync.crm_snapshot_key
WHERE target_id = %(target_id)s AND crm_kind = 'person' AND starts_with(key, 'email:')
UNION ALL
SELECT 1
FROM krayin_sync.mapping
WHERE target_id = %(target_id)s AND crm_kind = 'person' AND state = 'linked' AND last_sent -> 'emails' <> '[]'
LIMIT 1
