-- Purpose: by what it is told where contacts went that are gone in Chatwoot.
-- Parameters: installation_id, account_id, contact_ids (bigint[]).
-- Indexes: contact_trace_pkey.
SELECT contact_id, conversation_id, contact_inbox_id
FROM krayin_sync.merge_evidence
WHERE installation_id = %(installation_id)s AND account_id = %(account_id)s AND contact_id = ANY(%(contact_ids)s)
