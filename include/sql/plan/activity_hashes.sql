-- Purpose: what was last planned of some conversations, messages or stage moves; what was taken for gone is planned anew.
-- Parameters: target_id, installation_id, account_id, source_kind, source_ids (text[]).
-- Indexes: mapping_target_id_installation_id_account_id_source_kind_so_key.
SELECT source_id, CASE WHEN state <> 'orphaned' THEN source_hash ELSE ''::bytea END
FROM krayin_sync.mapping
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND source_kind = %(source_kind)s AND source_id = ANY(%(source_ids)s)
