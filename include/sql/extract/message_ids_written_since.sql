-- Purpose: the ids of public messages that were written, or an attachment of which was, or whose conversation was
--   moved to another contact, by a transaction that an earlier snapshot may not have seen. A merge of contacts is
--   seen by its trace: the conversations it moved belong to a contact whose inboxes were written with them.
-- Parameters: account_id; inboxes (bigint[], NULL: all); since_xid: xmin of the earlier snapshot; next_xid: xmax
--   of the present one; both 64 bits wide.
-- Indexes: none; four sequential scans (Chatwoot has no index that would spare them); then messages_pkey and
--   index_messages_on_conversation_account_type_created.
-- What is wanted of a message is asked in each branch: the planner takes the age of rows for a coarse filter, and
-- would read all messages once more to join them.
WITH next AS (
    SELECT age((%(next_xid)s::bigint & 4294967295)::text::xid)::bigint AS age
)
SELECT id
FROM messages
WHERE account_id = %(account_id)s
    AND NOT private
    AND message_type IN (0, 1)
    AND (%(inboxes)s::bigint[] IS NULL OR inbox_id = ANY(%(inboxes)s::bigint[]))
    AND ((age(xmin) - (SELECT age FROM next)) & 4294967295) <= %(next_xid)s::bigint - %(since_xid)s::bigint
    AND age(xmin) < 2147483647
UNION
SELECT message.id
FROM attachments AS attachment
JOIN messages AS message ON message.id = attachment.message_id
WHERE attachment.account_id = %(account_id)s
    AND message.account_id = %(account_id)s
    AND NOT message.private
    AND message.message_type IN (0, 1)
    AND (%(inboxes)s::bigint[] IS NULL OR message.inbox_id = ANY(%(inboxes)s::bigint[]))
    AND ((age(attachment.xmin) - (SELECT age FROM next)) & 4294967295)
        <= %(next_xid)s::bigint - %(since_xid)s::bigint
    AND age(attachment.xmin) < 2147483647
UNION
SELECT message.id
FROM conversations AS conversation
JOIN messages AS message ON message.conversation_id = conversation.id
WHERE conversation.account_id = %(account_id)s
    AND message.account_id = %(account_id)s
    AND NOT message.private
    AND message.message_type IN (0, 1)
    AND (%(inboxes)s::bigint[] IS NULL OR message.inbox_id = ANY(%(inboxes)s::bigint[]))
    AND ((age(conversation.xmin) - (SELECT age FROM next)) & 4294967295)
        <= %(next_xid)s::bigint - %(since_xid)s::bigint
    AND age(conversation.xmin) < 2147483647
    AND conversation.contact_id IN (
        SELECT contact_id
        FROM contact_inboxes
        WHERE ((age(xmin) - (SELECT age FROM next)) & 4294967295) <= %(next_xid)s::bigint - %(since_xid)s::bigint
            AND age(xmin) < 2147483647
    )
ORDER BY 1
