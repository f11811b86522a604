-- Purpose: mark what a run plans to make again after we had deleted it: that is asked about.
-- Parameters: run_id.
-- Indexes: operation_of_run, removal_of_source, mapping_target_id_installation_id_account_id_source_kind_so_key.
UPDATE krayin_sync.operation
SET changes = changes || '{contact.made_again}'::text[]
WHERE run_id = %(run_id)s AND state = 'planned' AND worker IS NULL AND approval_id IS NULL AND source_kind = 'contact'
  AND NOT payload ? 'retire' AND NOT 'contact.made_again' = ANY(changes)
  AND EXISTS (
      SELECT FROM krayin_sync.removal
      JOIN krayin_sync.mapping USING (target_id, installation_id, account_id, source_kind, source_id, crm_kind)
      WHERE removal.target_id = operation.target_id AND removal.installation_id = operation.installation_id
        AND removal.account_id = operation.account_id AND removal.source_kind = 'contact'
        AND removal.source_id = operation.source_id AND removal.action = 'deleted' AND removal.ended_at IS NULL
        AND mapping.crm_id IS NULL
  )
