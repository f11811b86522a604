-- Purpose: take everything out of the findings on a contact but ids, classes and states.
-- Parameters: target_id, installation_id, account_id, contact_id (text).
-- Indexes: finding_of_contact.
UPDATE krayin_sync.finding
SET detail = '{}', state = CASE WHEN state IN ('repaired', 'resolved') THEN state ELSE 'resolved' END,
    ended_at = coalesce(ended_at, clock_timestamp())
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND contact_id = %(contact_id)s::text::bigint
