-- Purpose: up to which conversation and contact inbox it is noted whose they are.
-- Parameters: installation_id, account_id.
-- Indexes: contact_trace_conversation, contact_trace_contact_inbox.
SELECT coalesce((SELECT max(conversation_id) FROM krayin_sync.merge_evidence
                 WHERE installation_id = %(installation_id)s AND account_id = %(account_id)s), 0),
       coalesce((SELECT max(contact_inbox_id) FROM krayin_sync.merge_evidence
                 WHERE installation_id = %(installation_id)s AND account_id = %(account_id)s), 0)
