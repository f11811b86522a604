-- Purpose: the mapping of some contacts with what Krayin showed last of their records.
-- Parameters: target_id, installation_id, account_id, source_ids (text[]).
-- Indexes: mapping_target_id_installation_id_account_id_source_kind_so_key, crm_snapshot_pkey.
SELECT mapping.source_id, mapping.source_kind, mapping.crm_kind, mapping.id, mapping.crm_id, mapping.origin,
       mapping.state, mapping.source_hash, mapping.acked_hash, mapping.last_sent, mapping.pending_write, snapshot.facts
FROM krayin_sync.mapping AS mapping
LEFT JOIN krayin_sync.crm_snapshot AS snapshot
       ON snapshot.target_id = mapping.target_id AND snapshot.crm_kind = mapping.crm_kind
      AND snapshot.crm_id = mapping.crm_id
WHERE mapping.target_id = %(target_id)s AND mapping.installation_id = %(installation_id)s
  AND mapping.account_id = %(account_id)s AND mapping.source_kind IN ('contact', 'stage')
  AND mapping.source_id = ANY(%(source_ids)s)
