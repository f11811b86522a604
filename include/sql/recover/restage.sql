-- Purpose: have the stages of leads planned anew that are to be made again or were found under another id.
-- Parameters: recovery_id.
-- Indexes: recovery_item_pkey, mapping_pkey, mapping_target_id_installation_id_account_id_source_kind_so_key.
UPDATE krayin_sync.mapping AS stage
SET source_hash = ''::bytea, acked_hash = NULL, last_sent = NULL, pending_write = NULL
FROM krayin_sync.recovery_item AS item
JOIN krayin_sync.mapping AS lead ON lead.id = item.mapping_id AND lead.crm_kind = 'lead'
WHERE item.recovery_id = %(recovery_id)s AND item.action <> 'keep'
  AND stage.target_id = lead.target_id AND stage.installation_id = lead.installation_id
  AND stage.account_id = lead.account_id AND stage.source_kind = 'stage' AND stage.source_id = lead.source_id
