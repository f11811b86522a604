-- Purpose: what operations hold of a contact, to know it again elsewhere.
-- Parameters: target_id, installation_id, account_id, contact_id (text).
-- Indexes: none: a scan, erasures are rare.
SELECT payload -> 'person', payload -> 'lead'
FROM krayin_sync.operation
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND source_kind = 'contact' AND source_id = %(contact_id)s
