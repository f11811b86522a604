-- Purpose: which of some conversations or messages are linked to an activity, or were until it was deleted in Krayin.
-- Parameters: target_id, installation_id, account_id, source_kind, source_ids (text[]).
-- Indexes: mapping_target_id_installation_id_account_id_source_kind_so_key.
SELECT source_id
FROM krayin_sync.mapping
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND source_kind = %(source_kind)s AND crm_kind = 'activity' AND source_id = ANY(%(source_ids)s)
  AND state IN ('linked', 'gone')
