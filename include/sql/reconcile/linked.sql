-- Purpose: all linked records of one kind with what was sent to them.
-- Parameters: target_id, installation_id, account_id, crm_kind.
-- Indexes: mapping_target_id_installation_id_account_id_source_kind_so_key.
SELECT source_id, crm_id, last_sent
FROM krayin_sync.mapping
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND source_kind = 'contact' AND crm_kind = %(crm_kind)s AND state = 'linked' AND crm_id IS NOT NULL
ORDER BY crm_id
