-- Purpose: the inboxes of an account.
-- Parameters: account_id.
-- Indexes: index_inboxes_on_account_id.
SELECT id, account_id, name, coalesce(channel_type, '') AS channel_type
FROM inboxes
WHERE account_id = %(account_id)s
ORDER BY id
