-- Purpose: the highest updated_at of all contacts that is not in the future.
-- Parameters: read_at (timestamptz).
-- Indexes: none exists in Chatwoot; one sequential scan of contacts.
SELECT max(updated_at) AT TIME ZONE 'UTC' AS high
FROM contacts
WHERE updated_at <= %(read_at)s::timestamptz AT TIME ZONE 'UTC'
    AND updated_at >= '0001-01-01'
