-- Purpose: by sync, what we closed or deleted and have not undone though its contact is in Chatwoot.
-- Parameters: none.
-- Indexes: removal_of_source, mapping_target_id_installation_id_account_id_source_kind_so_key.
SELECT removal.sync_name,
       count(*) FILTER (WHERE removal.action = 'closed' AND mapping.crm_id = removal.crm_id) AS closed,
       count(*) FILTER (WHERE removal.action = 'deleted' AND mapping.crm_id IS NULL) AS deleted
FROM krayin_sync.removal
JOIN krayin_sync.mapping USING (target_id, installation_id, account_id, source_kind, source_id, crm_kind)
WHERE removal.ended_at IS NULL AND removal.source_kind = 'contact' AND mapping.state <> 'orphaned'
GROUP BY removal.sync_name
