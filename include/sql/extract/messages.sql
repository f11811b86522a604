-- Purpose: public messages by id with their conversation, sender and attachments. Private notes, log lines and
--   templates are left out here, so that their contents never leave the database.
-- Parameters: ids (bigint[]); account_id; letters: how much of each.
-- Indexes: messages_pkey, conversations_pkey, index_attachments_on_message_id,
--   index_active_storage_attachments_uniqueness, the primary keys of the rest.
SELECT
    message.id,
    message.account_id,
    message.conversation_id,
    conversation.display_id,
    conversation.contact_id,
    (
        SELECT array_agg(named.source_id ORDER BY named.id)
        FROM contact_inboxes AS named
        WHERE named.contact_id = conversation.contact_id AND left(named.source_id, 7) = 'krayin:'
    ) AS earlier_ids,
    inbox.name AS inbox_name,
    coalesce(inbox.channel_type, '') AS channel_type,
    message.message_type,
    message.content_type,
    left(message.content, %(letters)s) AS content,
    message.status,
    message.sender_type,
    CASE message.sender_type
        WHEN 'Contact' THEN customer.name
        WHEN 'User' THEN coalesce(nullif(agent.display_name, ''), agent.name)
        WHEN 'AgentBot' THEN bot.name
    END AS sender_name,
    array_remove(ARRAY[
        CASE WHEN message.content_attributes::text ~ '^"?\{\\?"deleted\\?"\s*:\s*true\s*\}"?$' THEN 'deleted' END,
        CASE WHEN message.content_attributes::text ~ '\\?"automation_rule_id\\?"\s*:\s*\d' THEN 'automation' END,
        CASE WHEN message.content_attributes::text ~ '\\?"external_echo\\?"\s*:\s*true' THEN 'echo' END,
        CASE WHEN message.additional_attributes ? 'campaign_id' THEN 'campaign' END
    ], NULL) AS flags,
    message.created_at::text AS created_at,
    files.attachments
FROM messages AS message
JOIN conversations AS conversation ON conversation.id = message.conversation_id
LEFT JOIN inboxes AS inbox ON inbox.id = conversation.inbox_id
LEFT JOIN contacts AS customer ON message.sender_type = 'Contact' AND customer.id = message.sender_id
LEFT JOIN users AS agent ON message.sender_type = 'User' AND agent.id = message.sender_id
LEFT JOIN agent_bots AS bot ON message.sender_type = 'AgentBot' AND bot.id = message.sender_id
LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object(
        'file_type', attachment.file_type,
        'name', coalesce(blob.filename, attachment.fallback_title),
        'content_type', coalesce(blob.content_type, attachment.extension),
        'size', blob.byte_size
    ) ORDER BY attachment.id) AS attachments
    FROM attachments AS attachment
    LEFT JOIN active_storage_attachments AS stored
        ON stored.record_type = 'Attachment' AND stored.record_id = attachment.id AND stored.name = 'file'
    LEFT JOIN active_storage_blobs AS blob ON blob.id = stored.blob_id
    WHERE attachment.message_id = message.id
) AS files ON true
WHERE message.id = ANY(%(ids)s::bigint[])
    AND message.account_id = %(account_id)s
    AND message.message_type IN (0, 1)
    AND NOT message.private
ORDER BY message.id
