-- Purpose: the ids of the public messages in the conversations of some contacts.
-- Parameters: account_id; inboxes (bigint[], NULL: all); contact_ids (bigint[]).
-- Indexes: index_conversations_on_contact_id, index_messages_on_conversation_account_type_created.
SELECT message.id
FROM conversations AS conversation
JOIN messages AS message ON message.conversation_id = conversation.id
WHERE conversation.contact_id = ANY(%(contact_ids)s::bigint[])
    AND conversation.account_id = %(account_id)s
    AND message.account_id = %(account_id)s
    AND NOT message.private
    AND message.message_type IN (0, 1)
    AND (%(inboxes)s::bigint[] IS NULL OR conversation.inbox_id = ANY(%(inboxes)s::bigint[]))
ORDER BY message.id
