-- Purpose: the contacts of an account that have a conversation.
-- Parameters: account_id; inboxes (bigint[], NULL: all); since (timestamptz, NULL: no bound): of conversations without
--   activity since then none.
-- Indexes: index_conversations_on_account_id.
SELECT DISTINCT contact_id
FROM conversations
WHERE account_id = %(account_id)s
    AND contact_id IS NOT NULL
    AND (%(inboxes)s::bigint[] IS NULL OR inbox_id = ANY(%(inboxes)s::bigint[]))
    AND (%(since)s::timestamptz IS NULL OR last_activity_at >= %(since)s::timestamptz AT TIME ZONE 'UTC')
ORDER BY contact_id
