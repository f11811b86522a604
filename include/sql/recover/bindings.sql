-- Purpose: everything that is bound to a record of a Krayin, and what was written there; and the records that we deleted,
--          which a backup may have brought back.
-- Parameters: target_id.
-- Indexes: none: a scan; removal_standing, mapping_one_source_per_record.
SELECT mapping.id, installation.identity AS installation, installation_id, account_id, source_kind, source_id, crm_kind,
       crm_id, crm_created_at, last_sent, pending_write, former_crm_ids, false AS was_deleted
FROM krayin_sync.mapping
JOIN krayin_sync.chatwoot_installation AS installation ON installation.id = mapping.installation_id
WHERE target_id = %(target_id)s AND source_kind <> 'stage' AND crm_id IS NOT NULL
  AND (state IN ('linked', 'orphaned') OR crm_kind = 'organization')
UNION ALL
SELECT mapping.id, installation.identity, installation_id, account_id, source_kind, source_id, crm_kind,
       removal.crm_id, (removal.before ->> 'created_at')::timestamptz, NULL, NULL, '{}', true
FROM krayin_sync.removal
JOIN krayin_sync.mapping USING (target_id, installation_id, account_id, source_kind, source_id, crm_kind)
JOIN krayin_sync.chatwoot_installation AS installation ON installation.id = mapping.installation_id
WHERE target_id = %(target_id)s AND removal.action = 'deleted' AND removal.ended_at IS NULL
  AND mapping.state = 'orphaned' AND mapping.crm_id IS NULL AND removal.before ? 'created_at'
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.mapping AS other
      WHERE other.target_id = removal.target_id AND other.crm_kind = removal.crm_kind AND other.crm_id = removal.crm_id)
