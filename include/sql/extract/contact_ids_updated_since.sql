-- Purpose: the ids of contacts whose updated_at is not older than a moment.
-- Parameters: account_id; since (timestamptz).
-- Indexes: index_contacts_on_account_id; Chatwoot has none on updated_at.
SELECT id
FROM contacts
WHERE account_id = %(account_id)s
    AND updated_at >= %(since)s::timestamptz AT TIME ZONE 'UTC'
ORDER BY id
