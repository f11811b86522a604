-- Purpose: which of some contacts an account has, whatever their inboxes.
-- Parameters: account_id; keys (bigint[]).
-- Indexes: contacts_pkey.
SELECT id FROM contacts WHERE account_id = %(account_id)s AND id = ANY(%(keys)s::bigint[])
