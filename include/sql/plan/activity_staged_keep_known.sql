-- Purpose: leave conversations as they were brought over that a look showed which may not be whole: their texts quote
--          messages, and what is not seen of these would be taken out.
-- Parameters: run_id, target_id, installation_id, account_id.
-- Indexes: staged_activity_pkey, mapping_target_id_installation_id_account_id_source_kind_so_key.
DELETE FROM krayin_sync.staged_activity AS staged
USING krayin_sync.mapping
WHERE staged.run_id = %(run_id)s AND staged.source_kind = 'conversation'
  AND mapping.target_id = %(target_id)s AND mapping.installation_id = %(installation_id)s
  AND mapping.account_id = %(account_id)s AND mapping.source_kind = staged.source_kind
  AND mapping.source_id = staged.source_id AND mapping.crm_kind = 'activity' AND mapping.state = 'linked'
