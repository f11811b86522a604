-- Purpose: conversations by id with what their texts need and their latest public messages. Private notes, log
--   lines and templates are left out here, so that their contents never leave the database.
-- Parameters: ids (bigint[]); account_id; recent: how many messages; letters: how much of each.
-- Indexes: conversations_pkey, index_messages_on_conversation_account_type_created,
--   index_attachments_on_message_id, index_active_storage_attachments_uniqueness, the primary keys of the rest.
SELECT
    conversation.id,
    conversation.account_id,
    conversation.display_id,
    conversation.contact_id,
    (
        SELECT array_agg(named.source_id ORDER BY named.id)
        FROM contact_inboxes AS named
        WHERE named.contact_id = conversation.contact_id AND left(named.source_id, 7) = 'krayin:'
    ) AS earlier_ids,
    conversation.status,
    conversation.priority,
    conversation.created_at::text AS created_at,
    inbox.name AS inbox_name,
    coalesce(inbox.channel_type, '') AS channel_type,
    conversation.assignee_id,
    coalesce(nullif(assignee.display_name, ''), assignee.name) AS assignee,
    CASE WHEN conversation.bot_type = 'AgentBot' THEN bot.id ELSE conversation.bot_id END AS assignee_bot_id,
    -- The number of another kind of bot, of Captain, is none of these.
    CASE
        WHEN conversation.bot_type = 'AgentBot' THEN bot.name
        WHEN conversation.bot_id IS NOT NULL THEN 'AI assistant'
    END AS assignee_bot,
    conversation.team_id,
    team.name AS team,
    conversation.cached_label_list AS labels,
    conversation.custom_attributes::text AS custom_attributes,
    coalesce(conversation.additional_attributes ->> 'mail_subject', '') AS mail_subject,
    talk.messages
FROM (SELECT NULL::bigint AS assignee_agent_bot_id, NULL::text AS ai_assignee_type) AS absent
CROSS JOIN LATERAL (
    -- Earlier versions of Chatwoot 4 lack one of these columns or both: then the name means the NULL above.
    SELECT
        id, account_id, display_id, contact_id, inbox_id, assignee_id, assignee_agent_bot_id AS bot_id,
        coalesce(ai_assignee_type, 'AgentBot') AS bot_type, team_id, status, priority, created_at, cached_label_list,
        custom_attributes, additional_attributes
    FROM conversations
) AS conversation
LEFT JOIN inboxes AS inbox ON inbox.id = conversation.inbox_id
LEFT JOIN users AS assignee ON assignee.id = conversation.assignee_id
LEFT JOIN agent_bots AS bot ON bot.id = conversation.bot_id
LEFT JOIN teams AS team ON team.id = conversation.team_id
LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object(
        'id', message.id,
        'message_type', message.message_type,
        'content_type', message.content_type,
        'content', left(message.content, %(letters)s),
        'flags', message.flags,
        'sender_type', message.sender_type,
        'sender_name', message.sender_name,
        'status', message.status,
        'created_at', message.created_at::text,
        'attachments', message.attachments
    ) ORDER BY message.created_at, message.id) AS messages
    FROM (
        SELECT
            spoken.id, spoken.message_type, spoken.content_type, spoken.content, spoken.status, spoken.created_at,
            spoken.sender_type,
            CASE spoken.sender_type
                WHEN 'Contact' THEN (SELECT contact.name FROM contacts AS contact WHERE contact.id = spoken.sender_id)
                WHEN 'User' THEN (
                    SELECT coalesce(nullif(agent.display_name, ''), agent.name)
                    FROM users AS agent
                    WHERE agent.id = spoken.sender_id
                )
                WHEN 'AgentBot' THEN (SELECT robot.name FROM agent_bots AS robot WHERE robot.id = spoken.sender_id)
            END AS sender_name,
            array_remove(ARRAY[
                CASE WHEN spoken.content_attributes::text ~ '^"?\{\\?"deleted\\?"\s*:\s*true\s*\}"?$' THEN 'deleted' END,
                CASE WHEN spoken.content_attributes::text ~ '\\?"automation_rule_id\\?"\s*:\s*\d' THEN 'automation' END,
                CASE WHEN spoken.content_attributes::text ~ '\\?"external_echo\\?"\s*:\s*true' THEN 'echo' END,
                CASE WHEN spoken.additional_attributes ? 'campaign_id' THEN 'campaign' END
            ], NULL) AS flags,
            (
                SELECT json_agg(json_build_object(
                    'file_type', attachment.file_type,
                    'name', coalesce(blob.filename, attachment.fallback_title),
                    'content_type', coalesce(blob.content_type, attachment.extension),
                    'size', blob.byte_size
                ) ORDER BY attachment.id)
                FROM attachments AS attachment
                LEFT JOIN active_storage_attachments AS stored
                    ON stored.record_type = 'Attachment' AND stored.record_id = attachment.id AND stored.name = 'file'
                LEFT JOIN active_storage_blobs AS blob ON blob.id = stored.blob_id
                WHERE attachment.message_id = spoken.id
            ) AS attachments
        FROM messages AS spoken
        WHERE spoken.conversation_id = conversation.id
            AND spoken.account_id = conversation.account_id
            AND spoken.message_type IN (0, 1)
            AND NOT spoken.private
        ORDER BY spoken.created_at DESC, spoken.id DESC
        LIMIT %(recent)s
    ) AS message
) AS talk ON true
WHERE conversation.id = ANY(%(ids)s::bigint[])
    AND conversation.account_id = %(account_id)s
ORDER BY conversation.id
