-- Purpose: everything that is bound to a record of a Krayin, and what was written there.
-- Parameters: target_id.
-- Indexes: none: a scan.
SELECT mapping.id, installation.identity AS installation, installation_id, account_id, source_kind, source_id, crm_kind,
       crm_id, crm_created_at, last_sent, attempted, former_crm_ids
FROM krayin_sync.mapping
JOIN krayin_sync.chatwoot_installation AS installation ON installation.id = mapping.installation_id
WHERE target_id = %(target_id)s AND source_kind <> 'stage' AND crm_id IS NOT NULL
  AND (state IN ('linked', 'orphaned') OR crm_kind = 'organization')
