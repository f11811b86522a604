-- Purpose: whether a run staged any contact that has no person in Krayin through us yet.
-- Parameters: run_id, target_id, installation_id, account_id.
-- Indexes: staged_contact_pkey, mapping_target_id_installation_id_account_id_source_kind_so_key.
SELECT EXISTS (
    SELECT 1
    FROM krayin_sync.staged_contact AS staged
    WHERE staged.run_id = %(run_id)s
      AND NOT EXISTS (
          SELECT 1
          FROM krayin_sync.mapping AS mapping
          WHERE mapping.target_id = %(target_id)s AND mapping.installation_id = %(installation_id)s
            AND mapping.account_id = %(account_id)s AND mapping.source_kind = 'contact'
            AND mapping.source_id = staged.contact_id::text AND mapping.crm_kind = 'person'
            AND mapping.state = 'linked'
      )
)
