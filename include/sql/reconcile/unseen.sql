-- Purpose: linked records that a full reading of Krayin's list did not show.
-- Parameters: target_id, installation_id, account_id, crm_kind, began.
-- Indexes: mapping_target_id_installation_id_account_id_source_kind_so_key, crm_snapshot_pkey.
SELECT DISTINCT mapping.crm_id
FROM krayin_sync.mapping AS mapping
WHERE mapping.target_id = %(target_id)s AND mapping.installation_id = %(installation_id)s
  AND mapping.account_id = %(account_id)s AND mapping.crm_kind = %(crm_kind)s AND mapping.source_kind <> 'stage'
  AND mapping.crm_id IS NOT NULL AND (mapping.state = 'linked' OR mapping.crm_kind = 'organization')
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.crm_snapshot AS snapshot
      WHERE snapshot.target_id = mapping.target_id AND snapshot.crm_kind = mapping.crm_kind
        AND snapshot.crm_id = mapping.crm_id AND snapshot.seen_at >= %(began)s)
