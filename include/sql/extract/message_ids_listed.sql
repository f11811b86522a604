-- Purpose: which of some messages are public ones that a person, a bot or a customer wrote.
-- Parameters: account_id; inboxes (bigint[], NULL: all); keys (bigint[]): ids.
-- Indexes: messages_pkey.
SELECT id
FROM messages
WHERE id = ANY(%(keys)s::bigint[])
    AND account_id = %(account_id)s
    AND NOT private
    AND message_type IN (0, 1)
    AND (%(inboxes)s::bigint[] IS NULL OR inbox_id = ANY(%(inboxes)s::bigint[]))
ORDER BY id
