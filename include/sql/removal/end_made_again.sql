-- Purpose: what we removed and has another record in Krayin now is over.
-- Parameters: target_id, installation_id, account_id.
-- Indexes: removal_of_source, mapping_target_id_installation_id_account_id_source_kind_so_key.
UPDATE krayin_sync.removal
SET ended_at = clock_timestamp(), ended_as = 'made_again'
FROM krayin_sync.mapping
WHERE removal.target_id = %(target_id)s AND removal.installation_id = %(installation_id)s
  AND removal.account_id = %(account_id)s AND removal.ended_at IS NULL
  AND mapping.target_id = removal.target_id AND mapping.installation_id = removal.installation_id
  AND mapping.account_id = removal.account_id AND mapping.source_kind = removal.source_kind
  AND mapping.source_id = removal.source_id AND mapping.crm_kind = removal.crm_kind
  AND mapping.state = 'linked' AND mapping.crm_id <> removal.crm_id
