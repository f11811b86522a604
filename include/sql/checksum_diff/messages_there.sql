-- Purpose: which of some messages an account has, whatever their inbox.
-- Parameters: account_id; keys (bigint[]).
-- Indexes: messages_pkey.
SELECT id FROM messages WHERE account_id = %(account_id)s AND id = ANY(%(keys)s::bigint[])
