-- Purpose: what was last planned for some contacts, to leave out those that did not change.
-- Parameters: target_id, installation_id, account_id, contact_ids (text[]).
-- Indexes: mapping_target_id_installation_id_account_id_source_kind_so_key.
SELECT source_id, crm_kind, source_hash, state, active_at
FROM krayin_sync.mapping
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND source_kind = 'contact' AND source_id = ANY(%(contact_ids)s) AND crm_kind IN ('person', 'lead')
