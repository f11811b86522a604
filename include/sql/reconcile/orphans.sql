-- Purpose: contacts that are gone in Chatwoot and whose records have not been seen to.
-- Parameters: target_id, installation_id, account_id.
-- Indexes: mapping_orphaned.
SELECT source_kind, source_id, crm_kind, id, crm_id, origin, state, source_hash, acked_hash, last_sent, pending_write,
       former_crm_ids, former_adopted_ids
FROM krayin_sync.mapping
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND state = 'orphaned' AND settled_at IS NULL
ORDER BY source_kind, length(source_id), source_id, crm_kind
