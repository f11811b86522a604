-- Purpose: the persons Krayin showed with one of these e-mails or phones, and whose they are already.
-- Parameters: target_id, keys (text[]).
-- Indexes: crm_snapshot_key_pkey, crm_snapshot_pkey, mapping_one_source_per_record.
SELECT found.key, found.crm_id, snapshot.facts,
       mapping.installation_id, mapping.account_id, mapping.source_id
FROM krayin_sync.crm_snapshot_key AS found
JOIN krayin_sync.crm_snapshot AS snapshot USING (target_id, crm_kind, crm_id)
LEFT JOIN krayin_sync.mapping AS mapping
       ON mapping.target_id = found.target_id AND mapping.crm_kind = 'person'
      AND mapping.crm_id = found.crm_id AND mapping.state = 'linked'
WHERE found.target_id = %(target_id)s AND found.crm_kind = 'person' AND found.key = ANY(%(keys)s)
