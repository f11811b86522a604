-- Purpose: which of some contacts were erased on request and not allowed back.
-- Parameters: target_id, installation_id, account_id, contact_ids (text[]).
-- Indexes: erasure_of_contact.
SELECT wanted.contact_id
FROM unnest(%(contact_ids)s::text[]) AS wanted (contact_id)
JOIN krayin_sync.erasure AS erasure
  ON erasure.target_id = %(target_id)s AND erasure.installation_id = %(installation_id)s
 AND erasure.account_id = %(account_id)s AND erasure.lifted_at IS NULL
 AND erasure.contact_hash =
     krayin_sync.contact_hash(%(target_id)s, %(installation_id)s, %(account_id)s, wanted.contact_id)
