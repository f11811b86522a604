-- Purpose: records that did not change in Krayin, but were planned or written since they were compared, have now been
--          compared again.
-- Parameters: target_id, installation_id, account_id, crm_kinds (text[]), before.
-- Indexes: mapping_target_id_installation_id_account_id_source_kind_so_key, crm_snapshot_pkey.
UPDATE krayin_sync.crm_snapshot AS snapshot
SET compared_at = %(before)s
FROM krayin_sync.mapping AS mapping
WHERE mapping.target_id = %(target_id)s AND mapping.installation_id = %(installation_id)s
  AND mapping.account_id = %(account_id)s AND mapping.crm_kind = ANY(%(crm_kinds)s)
  AND snapshot.target_id = mapping.target_id AND snapshot.crm_kind = mapping.crm_kind
  AND snapshot.crm_id = mapping.crm_id
  AND (mapping.acked_at > snapshot.compared_at AND mapping.acked_at < %(before)s
       OR mapping.planned_at > snapshot.compared_at AND mapping.planned_at < %(before)s)
