-- Purpose: what contacts with a person in Krayin were last sent and are to have from now on, as far as they changed:
--          their new version is staged in this run, or planned and not carried out yet.
-- Parameters: run_id, target_id, installation_id, account_id, contact_ids (bigint[]).
-- Indexes: staged_contact_pkey, operation_planned, mapping_target_id_installation_id_account_id_source_kind_so_key.
SELECT mapping.crm_id, mapping.last_sent,
       coalesce(staged.desired -> 'natural_keys', to_jsonb(operation.natural_keys)) AS wanted,
       operation.releases
FROM krayin_sync.mapping AS mapping
LEFT JOIN krayin_sync.staged_contact AS staged
       ON staged.run_id = %(run_id)s AND staged.contact_id = mapping.source_id::bigint
LEFT JOIN krayin_sync.operation AS operation
       ON operation.target_id = mapping.target_id AND operation.installation_id = mapping.installation_id
      AND operation.account_id = mapping.account_id AND operation.source_kind = 'contact'
      AND operation.source_id = mapping.source_id AND operation.state IN ('planned', 'held')
WHERE mapping.target_id = %(target_id)s AND mapping.installation_id = %(installation_id)s
  AND mapping.account_id = %(account_id)s AND mapping.source_kind = 'contact' AND mapping.crm_kind = 'person'
  AND mapping.state = 'linked' AND mapping.source_id = ANY(SELECT unnest(%(contact_ids)s::bigint[])::text)
  AND (staged.contact_id IS NOT NULL OR operation.releases <> '{}')
