-- Purpose: the conversations and messages of a contact, as far as operations tell.
-- Parameters: target_id, installation_id, account_id, contact_id (text).
-- Indexes: none: a scan, erasures are rare.
SELECT DISTINCT source_kind, source_id
FROM krayin_sync.operation
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND contact_id = %(contact_id)s::text::bigint AND source_kind IN ('conversation', 'message')
