-- Purpose: the contacts of a run that were never planned before: all that was said with them is news.
-- Parameters: run_id, target_id, installation_id, account_id.
-- Indexes: staged_contact_pkey, mapping_target_id_installation_id_account_id_source_kind_so_key.
SELECT staged.contact_id
FROM krayin_sync.staged_contact AS staged
WHERE staged.run_id = %(run_id)s
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.mapping
      WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
        AND source_kind = 'contact' AND source_id = staged.contact_id::text AND crm_kind = 'person'
        AND source_hash IS NOT NULL
  )
