-- Purpose: records of contacts that were erased on request.
-- Parameters: none.
-- Indexes: erasure_of_contact.
SELECT count(*)
FROM krayin_sync.erasure
JOIN krayin_sync.mapping
  ON mapping.target_id = erasure.target_id AND mapping.installation_id = erasure.installation_id
 AND mapping.account_id = erasure.account_id AND mapping.source_kind = 'contact' AND mapping.state = 'linked'
 AND krayin_sync.contact_hash(mapping.target_id, mapping.installation_id, mapping.account_id, mapping.source_id)
     = erasure.contact_hash
WHERE erasure.lifted_at IS NULL AND erasure.finished_at IS NOT NULL
