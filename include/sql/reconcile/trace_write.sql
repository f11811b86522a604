-- Purpose: note the latest conversation and contact inbox of contacts.
-- Parameters: installation_id, account_id, contact_ids, conversation_ids, contact_inbox_ids (bigint[], NULL for none).
-- Indexes: contact_trace_pkey.
INSERT INTO krayin_sync.merge_evidence (installation_id, account_id, contact_id, conversation_id, contact_inbox_id)
SELECT %(installation_id)s, %(account_id)s, contact_id, conversation_id, contact_inbox_id
FROM unnest(%(contact_ids)s::bigint[], %(conversation_ids)s::bigint[], %(contact_inbox_ids)s::bigint[])
     AS seen (contact_id, conversation_id, contact_inbox_id)
ORDER BY contact_id
ON CONFLICT (installation_id, account_id, contact_id) DO UPDATE
SET conversation_id = greatest(merge_evidence.conversation_id, excluded.conversation_id),
    contact_inbox_id = greatest(merge_evidence.contact_inbox_id, excluded.contact_inbox_id)
WHERE coalesce(merge_evidence.conversation_id, 0) < excluded.conversation_id
   OR coalesce(merge_evidence.contact_inbox_id, 0) < excluded.contact_inbox_id
