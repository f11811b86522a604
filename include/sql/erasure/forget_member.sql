-- Purpose: forget which company a contact names, and the address it knows.
-- Parameters: target_id, installation_id, account_id, contact_id (text).
-- Indexes: organization_member_pkey.
DELETE FROM krayin_sync.organization_member
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND contact_id = %(contact_id)s::text::bigint
