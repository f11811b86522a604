-- Purpose: the Krayin records that have one of some keys, and whose they are.
-- Parameters: target_id, installation_id, account_id, crm_kind, keys (text[]).
-- Indexes: crm_snapshot_key_pkey, crm_snapshot_pkey, mapping_one_source_per_record.
SELECT found.key, found.crm_id, snapshot.facts, mapping.source_kind, mapping.source_id
FROM krayin_sync.crm_snapshot_key AS found
JOIN krayin_sync.crm_snapshot AS snapshot USING (target_id, crm_kind, crm_id)
LEFT JOIN krayin_sync.mapping AS mapping
       ON mapping.target_id = found.target_id AND mapping.crm_kind = found.crm_kind AND mapping.crm_id = found.crm_id
      AND mapping.crm_kind <> 'organization' AND mapping.state = 'linked'
      AND mapping.installation_id = %(installation_id)s AND mapping.account_id = %(account_id)s
WHERE found.target_id = %(target_id)s AND found.crm_kind = %(crm_kind)s AND found.key = ANY(%(keys)s)
ORDER BY found.key, found.crm_id
