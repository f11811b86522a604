-- Purpose: the mapping of a chunk of records, locked so that two planners take turns.
-- Parameters: target_id, installation_id, account_id, source_kind, source_ids (text[]), crm_kinds (text[]).
-- Indexes: mapping_target_id_installation_id_account_id_source_kind_so_key.
SELECT source_id, crm_kind, id, crm_id, origin, state, source_hash, acked_hash, last_sent, pending_write, source_read_at
FROM krayin_sync.mapping
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND source_kind = %(source_kind)s AND source_id = ANY(%(source_ids)s) AND crm_kind = ANY(%(crm_kinds)s)
ORDER BY source_id, crm_kind
FOR UPDATE
