-- Purpose: persons in Krayin that a contact's plans found by its e-mail or phone, and that are not linked to it.
-- Parameters: target_id, installation_id, account_id, contact_id (text), person_ids (bigint[]: those that are).
-- Indexes: none: a scan, erasures are rare; crm_snapshot_key_pkey, crm_snapshot_key_of_record.
SELECT DISTINCT seen.crm_id
FROM krayin_sync.operation AS operation
CROSS JOIN unnest(operation.natural_keys) AS wanted (key)
JOIN krayin_sync.crm_snapshot_key AS seen
  ON seen.target_id = operation.target_id AND seen.crm_kind = 'person' AND seen.key = wanted.key
WHERE operation.target_id = %(target_id)s AND operation.installation_id = %(installation_id)s
  AND operation.account_id = %(account_id)s AND operation.source_kind = 'contact'
  AND operation.source_id = %(contact_id)s AND seen.crm_id <> ALL(%(person_ids)s::bigint[])
ORDER BY 1
