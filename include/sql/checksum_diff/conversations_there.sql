-- Purpose: which of some conversations an account has, whatever their inbox.
-- Parameters: account_id; keys (bigint[]): display ids.
-- Indexes: index_conversations_on_account_id_and_display_id.
SELECT display_id FROM conversations WHERE account_id = %(account_id)s AND display_id = ANY(%(keys)s::bigint[])
