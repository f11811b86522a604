-- Purpose: the ids of all conversations of an account.
-- Parameters: account_id; inboxes (bigint[], NULL: all); since (timestamptz, NULL: no bound): of those without
--   activity since then none.
-- Indexes: index_conversations_on_id_and_account_id.
SELECT id
FROM conversations
WHERE account_id = %(account_id)s
    AND (%(inboxes)s::bigint[] IS NULL OR inbox_id = ANY(%(inboxes)s::bigint[]))
    AND (%(since)s::timestamptz IS NULL OR last_activity_at >= %(since)s::timestamptz AT TIME ZONE 'UTC')
ORDER BY id
