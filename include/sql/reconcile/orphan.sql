-- Purpose: note that source records are gone in Chatwoot; what waits for them is not to be carried out.
-- Parameters: target_id, installation_id, account_id, source_kind, source_ids (text[]).
-- Indexes: mapping_target_id_installation_id_account_id_source_kind_so_key.
UPDATE krayin_sync.mapping
SET state = 'orphaned', settled_at = CASE WHEN crm_id IS NULL THEN clock_timestamp() END
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND source_kind = %(source_kind)s AND source_id = ANY(%(source_ids)s) AND state <> 'orphaned'
