-- Purpose: persons by id as Krayin showed them last, and whose they are already.
-- Parameters: target_id, crm_ids (bigint[]).
-- Indexes: crm_snapshot_pkey, mapping_one_source_per_record.
SELECT NULL::text AS key, snapshot.crm_id, snapshot.facts, mapping.installation_id, mapping.account_id, mapping.source_id
FROM krayin_sync.crm_snapshot AS snapshot
LEFT JOIN krayin_sync.mapping AS mapping
       ON mapping.target_id = snapshot.target_id AND mapping.crm_kind = 'person'
      AND mapping.crm_id = snapshot.crm_id AND mapping.state = 'linked'
WHERE snapshot.target_id = %(target_id)s AND snapshot.crm_kind = 'person' AND snapshot.crm_id = ANY(%(crm_ids)s)
