-- Purpose: the ids of conversations whose row, or a public message or attachment of which, was written by a
--   transaction that an earlier snapshot may not have seen (see contact_ids_written_since.sql).
-- Parameters: account_id; inboxes (bigint[], NULL: all); since_xid: xmin of the earlier snapshot; next_xid: xmax
--   of the present one; both 64 bits wide.
-- Indexes: none; three sequential scans (Chatwoot has no index that would spare them); then conversations_pkey.
WITH written AS (
    SELECT id
    FROM conversations
    WHERE account_id = %(account_id)s
        AND xmin::text::bigint > 2
        AND ((%(next_xid)s::bigint - xmin::text::bigint) & 4294967295) <= %(next_xid)s::bigint - %(since_xid)s::bigint
    UNION
    SELECT conversation_id
    FROM messages
    WHERE account_id = %(account_id)s
        AND NOT private
        AND message_type IN (0, 1)
        AND xmin::text::bigint > 2
        AND ((%(next_xid)s::bigint - xmin::text::bigint) & 4294967295) <= %(next_xid)s::bigint - %(since_xid)s::bigint
    UNION
    SELECT message.conversation_id
    FROM attachments AS attachment
    JOIN messages AS message ON message.id = attachment.message_id
    WHERE attachment.account_id = %(account_id)s
        AND attachment.xmin::text::bigint > 2
        AND ((%(next_xid)s::bigint - attachment.xmin::text::bigint) & 4294967295)
            <= %(next_xid)s::bigint - %(since_xid)s::bigint
)
SELECT conversation.id
FROM conversations AS conversation
JOIN written ON written.id = conversation.id
WHERE conversation.account_id = %(account_id)s
    AND (%(inboxes)s::bigint[] IS NULL OR conversation.inbox_id = ANY(%(inboxes)s::bigint[]))
ORDER BY conversation.id
