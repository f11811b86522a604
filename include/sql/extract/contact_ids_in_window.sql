-- Purpose: the ids of contacts created or updated in a window.
-- Parameters: account_id; start (inclusive), end (exclusive), timestamptz.
-- Indexes: index_contacts_on_account_id; Chatwoot has none on created_at or updated_at.
SELECT id
FROM contacts
WHERE account_id = %(account_id)s
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
ORDER BY id
