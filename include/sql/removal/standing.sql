-- Purpose: leads that we closed and have not reopened though their contacts are in Chatwoot.
-- Parameters: target_id, installation_id, account_id.
-- Indexes: removal_of_source, mapping_target_id_installation_id_account_id_source_kind_so_key.
SELECT removal.source_id, removal.crm_id, removal.before -> 'stage_id', removal.after -> 'stage_id'
FROM krayin_sync.removal
JOIN krayin_sync.mapping USING (target_id, installation_id, account_id, source_kind, source_id, crm_kind, crm_id)
WHERE removal.target_id = %(target_id)s AND removal.installation_id = %(installation_id)s
  AND removal.account_id = %(account_id)s AND removal.action = 'closed' AND removal.ended_at IS NULL
  AND mapping.state = 'linked'
ORDER BY removal.id
