-- Purpose: which person and lead some contacts are; held until the end of the transaction, so that a record linked
--          meanwhile releases what is planned here to wait for it.
-- Parameters: target_id, installation_id, account_id, contact_ids (text[]).
-- Indexes: mapping_target_id_installation_id_account_id_source_kind_so_key, erasure_of_contact.
SELECT source_id, crm_kind, crm_id, state, origin
FROM krayin_sync.mapping
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND source_kind = 'contact' AND source_id = ANY(%(contact_ids)s) AND crm_kind IN ('person', 'lead')
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.erasure
      WHERE erasure.target_id = mapping.target_id AND erasure.installation_id = mapping.installation_id
        AND erasure.account_id = mapping.account_id AND erasure.lifted_at IS NULL
        AND erasure.contact_hash = krayin_sync.contact_hash(
            mapping.target_id, mapping.installation_id, mapping.account_id, mapping.source_id)
  )
ORDER BY source_id, crm_kind
FOR SHARE
