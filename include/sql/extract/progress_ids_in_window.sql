-- Purpose: the contacts of conversations created or updated in a window.
-- Parameters: account_id; inboxes (bigint[], NULL: all); start (inclusive), end (exclusive), timestamptz.
-- Indexes: index_conversations_on_account_id; Chatwoot has none on updated_at.
SELECT DISTINCT contact_id
FROM conversations
WHERE account_id = %(account_id)s
    AND contact_id IS NOT NULL
    AND (%(inboxes)s::bigint[] IS NULL OR inbox_id = ANY(%(inboxes)s::bigint[]))
    AND (
        (
            updated_at >= %(start)s::timestamptz AT TIME ZONE 'UTC'
            AND updated_at < %(end)s::timestamptz AT TIME ZONE 'UTC'
        )
        OR (
            created_at >= %(start)s::timestamptz AT TIME ZONE 'UTC'
            AND created_at < %(end)s::timestamptz AT TIME ZONE 'UTC'
        )
    )
ORDER BY contact_id
