-- Purpose: the latest conversation of each contact that has any after a given one; it moves along when two contacts
--   are merged.
-- Parameters: account_id; after (id).
-- Indexes: conversations_pkey.
SELECT contact_id, max(id) AS key
FROM conversations
WHERE account_id = %(account_id)s AND id > %(after)s AND contact_id IS NOT NULL
GROUP BY contact_id
