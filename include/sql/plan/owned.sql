-- Purpose: which of some Krayin leads belong to a contact, now or formerly.
-- Parameters: target_id, crm_ids (bigint[]).
-- Indexes: mapping_one_source_per_record, mapping_former_records.
SELECT crm_id
FROM krayin_sync.mapping
WHERE target_id = %(target_id)s AND crm_kind = 'lead' AND crm_id = ANY(%(crm_ids)s) AND state = 'linked'
UNION
SELECT former.crm_id
FROM krayin_sync.mapping, unnest(former_crm_ids) AS former (crm_id)
WHERE target_id = %(target_id)s AND crm_kind = 'lead' AND former_crm_ids <> '{}'
  AND former_crm_ids && %(crm_ids)s::bigint[]
