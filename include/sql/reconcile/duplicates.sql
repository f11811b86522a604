-- Purpose: Krayin records that share a key (e-mail, phone, person, our mark), at least one of which is one of ours.
-- Parameters: target_id, installation_id, account_id, crm_kind.
-- Indexes: crm_snapshot_key_pkey, crm_snapshot_key_of_record, mapping_one_source_per_record.
WITH shared AS MATERIALIZED (
    SELECT key
    FROM krayin_sync.crm_snapshot_key
    WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s
    GROUP BY key
    HAVING count(*) > 1
)
SELECT other.crm_id, array_agg(DISTINCT split_part(key, ':', 1)), array_agg(DISTINCT own.crm_id),
       min(mapping.source_kind), min(mapping.source_id), snapshot.facts
FROM shared
JOIN krayin_sync.crm_snapshot_key AS own USING (key)
JOIN krayin_sync.mapping AS mapping
  ON mapping.target_id = own.target_id AND mapping.crm_kind = own.crm_kind AND mapping.crm_id = own.crm_id
 AND mapping.state = 'linked' AND mapping.source_kind <> 'stage'
 AND mapping.installation_id = %(installation_id)s AND mapping.account_id = %(account_id)s
JOIN krayin_sync.crm_snapshot_key AS other USING (key)
JOIN krayin_sync.crm_snapshot AS snapshot
  ON snapshot.target_id = other.target_id AND snapshot.crm_kind = other.crm_kind AND snapshot.crm_id = other.crm_id
WHERE own.target_id = %(target_id)s AND own.crm_kind = %(crm_kind)s
  AND other.target_id = %(target_id)s AND other.crm_kind = %(crm_kind)s AND other.crm_id <> own.crm_id
  -- Of two of ours only the later one is told.
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.mapping AS both_ours
      WHERE both_ours.target_id = other.target_id AND both_ours.crm_kind = other.crm_kind
        AND both_ours.crm_id = other.crm_id AND both_ours.state = 'linked' AND both_ours.source_kind <> 'stage'
        AND other.crm_id < own.crm_id)
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.mapping AS former
      WHERE former.target_id = other.target_id AND former.crm_kind = other.crm_kind
        AND former.former_crm_ids <> '{}' AND former.former_crm_ids && ARRAY[other.crm_id])
GROUP BY other.crm_id, snapshot.facts
ORDER BY other.crm_id
