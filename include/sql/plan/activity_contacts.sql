-- Purpose: which person and lead some contacts are; held until the end of the transaction, so that a record linked
--          meanwhile releases what is planned here to wait for it.
-- Parameters: target_id, installation_id, account_id, contact_ids (text[]).
-- Indexes: mapping_target_id_installation_id_account_id_source_kind_so_key.
SELECT source_id, crm_kind, crm_id, state, origin
FROM krayin_sync.mapping
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND source_kind = 'contact' AND source_id = ANY(%(contact_ids)s) AND crm_kind IN ('person', 'lead')
ORDER BY source_id, crm_kind
FOR SHARE
