-- Purpose: the ids of conversations by the number that people see.
-- Parameters: account_id; inboxes (bigint[], NULL: all); keys (bigint[]): display ids.
-- Indexes: index_conversations_on_account_id_and_display_id.
SELECT id
FROM conversations
WHERE account_id = %(account_id)s
    AND display_id = ANY(%(keys)s::bigint[])
    AND (%(inboxes)s::bigint[] IS NULL OR inbox_id = ANY(%(inboxes)s::bigint[]))
ORDER BY id
