-- Purpose: take everything out of a contact's operations but ids, states and times.
-- Parameters: target_id, installation_id, account_id, contact_id (text), conversation_ids (text[]), message_ids (text[]).
-- Indexes: none: a scan, erasures are rare.
UPDATE krayin_sync.operation
SET payload = '{}', natural_keys = '{}', releases = '{}', candidates = NULL, result = '{}', forecast_company = NULL,
    error_message = CASE WHEN error_message IS NOT NULL THEN 'erased' END
WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND ((source_kind IN ('contact', 'stage') AND source_id = %(contact_id)s)
       OR contact_id = %(contact_id)s::text::bigint
       OR (source_kind = 'conversation' AND source_id = ANY(%(conversation_ids)s))
       OR (source_kind = 'message' AND source_id = ANY(%(message_ids)s)))
