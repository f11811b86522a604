-- Purpose: an erased contact may be brought over again.
-- Parameters: target_id, installation_id, account_id, contact_id (text).
-- Indexes: erasure_of_contact.
UPDATE krayin_sync.erasure
SET lifted_at = clock_timestamp()
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND lifted_at IS NULL
  AND contact_hash = krayin_sync.contact_hash(%(target_id)s, %(installation_id)s, %(account_id)s, %(contact_id)s)
