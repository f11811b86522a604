-- Purpose: which of some contacts have a conversation.
-- Parameters: account_id; inboxes (bigint[], NULL: all); keys (bigint[]): contacts.
-- Indexes: index_conversations_on_contact_id.
SELECT DISTINCT contact_id
FROM conversations
WHERE contact_id = ANY(%(keys)s::bigint[])
    AND account_id = %(account_id)s
    AND (%(inboxes)s::bigint[] IS NULL OR inbox_id = ANY(%(inboxes)s::bigint[]))
ORDER BY contact_id
