-- Purpose: what Krayin showed last of some records of ours, beside what was sent to them.
-- Parameters: target_id, installation_id, account_id, crm_kind, crm_ids (bigint[]; NULL: by source_ids), source_ids
--             (text[], NULL: by crm_ids).
-- Indexes: mapping_one_source_per_record, mapping_target_id_installation_id_account_id_source_kind_so_key,
--          crm_snapshot_pkey.
SELECT mapping.crm_id, mapping.source_id, mapping.last_sent, snapshot.facts
FROM krayin_sync.mapping AS mapping
JOIN krayin_sync.crm_snapshot AS snapshot
  ON snapshot.target_id = mapping.target_id AND snapshot.crm_kind = mapping.crm_kind AND snapshot.crm_id = mapping.crm_id
WHERE mapping.target_id = %(target_id)s AND mapping.installation_id = %(installation_id)s
  AND mapping.account_id = %(account_id)s AND mapping.crm_kind = %(crm_kind)s AND mapping.source_kind <> 'stage'
  AND (mapping.crm_id = ANY(%(crm_ids)s::bigint[]) OR mapping.source_id = ANY(%(source_ids)s::text[]))
