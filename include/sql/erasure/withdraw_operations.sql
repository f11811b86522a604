-- Purpose: what is planned of a contact and of what was said with it is not carried out any more.
-- Parameters: target_id, installation_id, account_id, contact_id (text).
-- Indexes: operation_planned, operation_waiting_for_contact.
UPDATE krayin_sync.operation
SET state = 'superseded', finished_at = clock_timestamp()
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND state IN ('planned', 'held', 'quarantined', 'declined') AND worker IS NULL
  AND ((source_kind IN ('contact', 'stage') AND source_id = %(contact_id)s) OR contact_id = %(contact_id)s::text::bigint)
