-- Purpose: the ids of public messages created in a window.
-- Parameters: account_id; inboxes (bigint[], NULL: all); start (inclusive), end (exclusive), timestamptz.
-- Indexes: index_messages_on_account_created_type.
SELECT id
FROM messages
WHERE account_id = %(account_id)s
    AND created_at >= %(start)s::timestamptz AT TIME ZONE 'UTC'
    AND created_at < %(end)s::timestamptz AT TIME ZONE 'UTC'
    AND NOT private
    AND message_type IN (0, 1)
    AND (%(inboxes)s::bigint[] IS NULL OR inbox_id = ANY(%(inboxes)s::bigint[]))
ORDER BY id
