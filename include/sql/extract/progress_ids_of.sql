-- Purpose: which of some contacts have a conversation.
-- Parameters: account_id; inboxes (bigint[], NULL: all); contact_ids (bigint[]).
-- Indexes: index_conversations_on_contact_id.
SELECT DISTINCT contact_id
FROM conversations
WHERE contact_id = ANY(%(contact_ids)s::bigint[])
    AND account_id = %(account_id)s
    AND (%(inboxes)s::bigint[] IS NULL OR inbox_id = ANY(%(inboxes)s::bigint[]))
ORDER BY contact_id
