-- Purpose: which of some Krayin records already belong to a source record.
-- Parameters: target_id, crm_kind, crm_ids (bigint[]).
-- Indexes: mapping_one_source_per_record.
SELECT crm_id, installation_id, account_id, source_kind, source_id
FROM krayin_sync.mapping
WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s AND crm_id = ANY(%(crm_ids)s) AND state = 'linked'
