-- Purpose: forget which ids were written back to an erased contact.
-- Parameters: target_id, installation_id, account_id, contact_id (text).
-- Indexes: none: a scan, erasures are rare.
DELETE FROM krayin_sync.write_back
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND contact_id = %(contact_id)s::text::bigint
