-- Purpose: the activities and stage moves that a run staged, with what is known of each.
-- Parameters: run_id, target_id, installation_id, account_id.
-- Indexes: staged_activity_pkey, crm_snapshot_pkey, mapping_target_id_installation_id_account_id_source_kind_so_key.
SELECT staged.source_kind, staged.source_id, staged.contact_id, staged.desired,
       coalesce(mapping.acked_hash = staged.source_hash, false), mapping.state,
       mapping.crm_id, mapping.last_sent, person.state, lead.state, lead.crm_id, lead.origin, snapshot.facts,
       coalesce(lead.former_crm_ids <> '{}', false)
FROM krayin_sync.staged_activity AS staged
LEFT JOIN krayin_sync.mapping AS mapping
       ON mapping.target_id = %(target_id)s AND mapping.installation_id = %(installation_id)s
      AND mapping.account_id = %(account_id)s AND mapping.source_kind = staged.source_kind
      AND mapping.source_id = staged.source_id
LEFT JOIN krayin_sync.mapping AS person
       ON person.target_id = %(target_id)s AND person.installation_id = %(installation_id)s
      AND person.account_id = %(account_id)s AND person.source_kind = 'contact'
      AND person.source_id = staged.contact_id::text AND person.crm_kind = 'person'
LEFT JOIN krayin_sync.mapping AS lead
       ON lead.target_id = %(target_id)s AND lead.installation_id = %(installation_id)s
      AND lead.account_id = %(account_id)s AND lead.source_kind = 'contact'
      AND lead.source_id = staged.contact_id::text AND lead.crm_kind = 'lead'
LEFT JOIN krayin_sync.crm_snapshot AS snapshot
       ON snapshot.target_id = lead.target_id AND snapshot.crm_kind = 'lead' AND snapshot.crm_id = lead.crm_id
WHERE staged.run_id = %(run_id)s
ORDER BY staged.contact_id, staged.source_kind, length(staged.source_id), staged.source_id
