-- Purpose: the ids of conversations whose row, or a public message or attachment of which, was written by a
--   transaction that an earlier snapshot may not have seen (see contact_ids_written_since.sql).
-- Parameters: account_id; inboxes (bigint[], NULL: all); since_xid: xmin of the earlier snapshot; next_xid: xmax
--   of the present one; both 64 bits wide.
-- Indexes: none; three sequential scans (Chatwoot has no index that would spare them); then conversations_pkey.
WITH next AS (
    SELECT age((%(next_xid)s::bigint & 4294967295)::text::xid)::bigint AS age
),
written AS (
    SELECT id
    FROM conversations
    WHERE account_id = %(account_id)s
        AND ((age(xmin) - (SELECT age FROM next)) & 4294967295) <= %(next_xid)s::bigint - %(since_xid)s::bigint
        AND age(xmin) < 2147483647
    UNION
    SELECT conversation_id
    FROM messages
    WHERE account_id = %(account_id)s
        AND NOT private
        AND message_type IN (0, 1)
        AND ((age(xmin) - (SELECT age FROM next)) & 4294967295) <= %(next_xid)s::bigint - %(since_xid)s::bigint
        AND age(xmin) < 2147483647
    UNION
    SELECT message.conversation_id
    FROM attachments AS attachment
    JOIN messages AS message ON message.id = attachment.message_id
    WHERE attachment.account_id = %(account_id)s
        AND ((age(attachment.xmin) - (SELECT age FROM next)) & 4294967295) <= %(next_xid)s::bigint - %(since_xid)s::bigint
        AND age(attachment.xmin) < 2147483647
)
SELECT conversation.id
FROM conversations AS conversation
JOIN written ON written.id = conversation.id
WHERE conversation.account_id = %(account_id)s
    AND (%(inboxes)s::bigint[] IS NULL OR conversation.inbox_id = ANY(%(inboxes)s::bigint[]))
ORDER BY conversation.id
