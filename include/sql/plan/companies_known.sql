-- Purpose: which of some companies have an organization that is known.
-- Parameters: target_id, installation_id, account_id, folded_names (text[]).
-- Indexes: mapping_target_id_installation_id_account_id_source_kind_so_key.
SELECT source_id
FROM krayin_sync.mapping
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND source_kind = 'company' AND crm_kind = 'organization' AND source_id = ANY(%(folded_names)s)
  AND crm_id IS NOT NULL
