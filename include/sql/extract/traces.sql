-- Purpose: the latest contact inbox of each contact that has any after a given one; it moves along when two contacts
--   are merged.
-- Parameters: account_id; after (id).
-- Indexes: contact_inboxes_pkey, inboxes_pkey.
SELECT link.contact_id, max(link.id) AS key
FROM contact_inboxes AS link
JOIN inboxes AS inbox ON inbox.id = link.inbox_id
WHERE inbox.account_id = %(account_id)s AND link.id > %(after)s AND link.contact_id IS NOT NULL
GROUP BY link.contact_id
