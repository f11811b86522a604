-- Purpose: a record of ours that was just deleted is nobody's any more, whatever becomes of the rest of its contact's.
-- Parameters: target_id, installation_id, account_id, source_kind, source_id, crm_kind, crm_id.
-- Indexes: mapping_target_id_installation_id_account_id_source_kind_so_key.
UPDATE krayin_sync.mapping
SET crm_id = nullif(crm_id, %(crm_id)s),
    last_sent = CASE WHEN crm_id = %(crm_id)s THEN NULL ELSE last_sent END,
    pending_write = CASE WHEN crm_id = %(crm_id)s THEN NULL ELSE pending_write END,
    former_crm_ids = array_remove(former_crm_ids, %(crm_id)s::bigint)
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND source_kind = %(source_kind)s AND source_id = %(source_id)s AND crm_kind = %(crm_kind)s AND state = 'orphaned'
