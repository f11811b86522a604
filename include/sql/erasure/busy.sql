-- Purpose: how many calls for a contact are being made, or have an outcome that is not known yet.
-- Parameters: target_id, installation_id, account_id, contact_id (text).
-- Indexes: operation_busy.
SELECT count(*)
FROM krayin_sync.operation
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND (worker IS NOT NULL OR state IN ('in_flight', 'unknown'))
  AND ((source_kind IN ('contact', 'stage') AND source_id = %(contact_id)s) OR contact_id = %(contact_id)s::text::bigint)
