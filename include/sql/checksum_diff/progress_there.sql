-- Purpose: which of some contacts have a conversation, whatever its inbox.
-- Parameters: account_id; keys (bigint[]): contacts.
-- Indexes: index_conversations_on_contact_id.
SELECT DISTINCT contact_id
FROM conversations
WHERE account_id = %(account_id)s AND contact_id = ANY(%(keys)s::bigint[])
