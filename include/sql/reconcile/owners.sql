-- Purpose: whose persons or leads some Krayin records are.
-- Parameters: target_id, installation_id, account_id, crm_kind, crm_ids (bigint[]).
-- Indexes: mapping_one_source_per_record.
SELECT crm_id, source_id
FROM krayin_sync.mapping
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND source_kind = 'contact' AND crm_kind = %(crm_kind)s AND crm_id = ANY(%(crm_ids)s) AND state = 'linked'
