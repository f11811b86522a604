-- Purpose: the ids of all public messages of an account that a person, a bot or a customer wrote.
-- Parameters: account_id; inboxes (bigint[], NULL: all); since (timestamptz, NULL: no bound).
-- Indexes: index_messages_on_account_created_type where `since` is given, else messages_pkey.
SELECT id
FROM messages
WHERE account_id = %(account_id)s
    AND NOT private
    AND message_type IN (0, 1)
    AND (%(inboxes)s::bigint[] IS NULL OR inbox_id = ANY(%(inboxes)s::bigint[]))
    AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s::timestamptz AT TIME ZONE 'UTC')
ORDER BY id
