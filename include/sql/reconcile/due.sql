-- Purpose: linked records whose state in Krayin, or what was sent to them, is news since they were last compared.
-- Parameters: target_id, installation_id, account_id, everything (boolean), again (bigint[]: mapping rows to look at
--             in any case).
-- Indexes: mapping_target_id_installation_id_account_id_source_kind_so_key, crm_snapshot_pkey.
SELECT mapping.id, mapping.source_kind, mapping.source_id, mapping.crm_kind, mapping.crm_id, mapping.last_sent,
       mapping.pending_write, mapping.source_hash, mapping.acked_hash, snapshot.facts,
       person.crm_id AS person_id, stage.last_sent -> 'stage' AS stage_id
FROM krayin_sync.mapping AS mapping
JOIN krayin_sync.crm_snapshot AS snapshot
  ON snapshot.target_id = mapping.target_id AND snapshot.crm_kind = mapping.crm_kind AND snapshot.crm_id = mapping.crm_id
LEFT JOIN krayin_sync.mapping AS person
       ON mapping.crm_kind = 'lead' AND person.target_id = mapping.target_id
      AND person.installation_id = mapping.installation_id AND person.account_id = mapping.account_id
      AND person.source_kind = 'contact' AND person.source_id = mapping.source_id AND person.crm_kind = 'person'
LEFT JOIN krayin_sync.mapping AS stage
       ON mapping.crm_kind = 'lead' AND stage.target_id = mapping.target_id
      AND stage.installation_id = mapping.installation_id AND stage.account_id = mapping.account_id
      AND stage.source_kind = 'stage' AND stage.source_id = mapping.source_id AND stage.crm_kind = 'lead'
WHERE mapping.target_id = %(target_id)s AND mapping.installation_id = %(installation_id)s
  AND mapping.account_id = %(account_id)s AND mapping.source_kind <> 'stage'
  AND (mapping.state = 'linked' OR mapping.crm_kind = 'organization')
  AND (%(everything)s
       OR snapshot.compared_hash IS DISTINCT FROM snapshot.hash
       OR mapping.acked_at > snapshot.compared_at OR mapping.planned_at > snapshot.compared_at
       OR mapping.id = ANY(%(again)s::bigint[]))
