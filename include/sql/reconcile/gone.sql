-- Purpose: the source records whose record was deleted in Krayin.
-- Parameters: target_id, installation_id, account_id.
-- Indexes: mapping_gone.
SELECT id, source_kind, source_id, crm_kind
FROM krayin_sync.mapping
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND state = 'gone'
ORDER BY source_kind, length(source_id), source_id, crm_kind
