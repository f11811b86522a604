-- Purpose: which of some Krayin records already belong to a source record; leads that were followed by a new one still do.
-- Parameters: target_id, crm_kind, crm_ids (bigint[]).
-- Indexes: mapping_one_source_per_record, mapping_former_records.
SELECT crm_id, installation_id, account_id, source_kind, source_id
FROM krayin_sync.mapping
WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s AND crm_id = ANY(%(crm_ids)s) AND state = 'linked'
UNION ALL
SELECT former.crm_id, installation_id, account_id, source_kind, source_id
FROM krayin_sync.mapping, unnest(former_crm_ids) AS former (crm_id)
WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s AND former_crm_ids <> '{}'
  AND former_crm_ids && %(crm_ids)s::bigint[] AND former.crm_id = ANY(%(crm_ids)s)
