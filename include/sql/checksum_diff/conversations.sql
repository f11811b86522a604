-- Purpose: checksums of the conversations of an account over exactly what they are mapped from (see contacts.sql),
--   with inbox, assignee, team and what was said, by buckets of 2^shift consecutive display ids. All public messages
--   count, not only the latest.
-- Parameters: account_id; inboxes (bigint[], NULL: all); since (timestamptz, NULL: no bound); shift; keys (bigint[],
--   NULL: all): display ids.
-- Indexes: all: none, sequential scans; some: index_conversations_on_account_id_and_display_id,
--   index_messages_on_conversation_account_type_created, index_attachments_on_message_id,
--   index_active_storage_attachments_uniqueness, the primary keys of the rest.
WITH conversation AS NOT MATERIALIZED (
    SELECT present.*
    FROM (SELECT NULL::bigint AS assignee_agent_bot_id, NULL::text AS ai_assignee_type) AS absent
    CROSS JOIN LATERAL (
        -- Earlier versions of Chatwoot 4 lack one of these columns or both: then the name means the NULL above.
        SELECT
            id, account_id, display_id, contact_id, inbox_id, assignee_id, assignee_agent_bot_id AS bot_id,
            coalesce(ai_assignee_type, 'AgentBot') AS bot_type, team_id, status, priority, created_at, last_activity_at,
            cached_label_list, custom_attributes, additional_attributes
        FROM conversations
    ) AS present
    WHERE account_id = %(account_id)s
        AND (%(inboxes)s::bigint[] IS NULL OR inbox_id = ANY(%(inboxes)s::bigint[]))
        AND (%(keys)s::bigint[] IS NULL OR display_id = ANY(%(keys)s::bigint[]))
),
spoken AS NOT MATERIALIZED (
    SELECT
        id, conversation_id, message_type, content_type, status, created_at, content, sender_type, sender_id,
        content_attributes, additional_attributes
    FROM messages
    WHERE account_id = %(account_id)s
        AND message_type IN (0, 1)
        AND NOT private
        AND (%(keys)s::bigint[] IS NULL OR conversation_id = ANY(ARRAY(SELECT id FROM conversation)))
),
files AS (
    SELECT
        attachment.message_id,
        sum(hashtextextended(
            coalesce(blob.filename, attachment.fallback_title, '') COLLATE "C",
            hashtextextended(
                coalesce(blob.content_type, attachment.extension, '') COLLATE "C",
                hashint8extended(
                    coalesce(blob.byte_size, -1), hashint8extended(attachment.id, coalesce(attachment.file_type, 0))
                )
            )
        ) >> 20)::bigint AS hash
    FROM attachments AS attachment
    LEFT JOIN active_storage_attachments AS stored
        ON stored.record_type = 'Attachment' AND stored.record_id = attachment.id AND stored.name = 'file'
    LEFT JOIN active_storage_blobs AS blob ON blob.id = stored.blob_id
    WHERE %(keys)s::bigint[] IS NULL OR attachment.message_id = ANY(ARRAY(SELECT id FROM spoken))
    GROUP BY attachment.message_id
),
said AS (
    SELECT
        spoken.conversation_id,
        sum(hashtextextended(
            left(coalesce(spoken.content, ''), 1000) COLLATE "C",
            hashtextextended(
                coalesce(spoken.sender_type, '') || ':' || CASE spoken.sender_type
                    WHEN 'Contact' THEN coalesce(customer.name, '')
                    WHEN 'User' THEN coalesce(nullif(agent.display_name, ''), agent.name, '')
                    WHEN 'AgentBot' THEN coalesce(bot.name, '')
                    ELSE ''
                END COLLATE "C",
                hashtextextended(
                    (CASE
                        WHEN spoken.content_attributes IS NULL OR spoken.content_attributes::text IN ('{}', '"{}"', 'null')
                            THEN ''
                        ELSE concat(
                            CASE WHEN spoken.content_attributes::text ~ '^"?\{\\?"deleted\\?"\s*:\s*true\s*\}"?$' THEN 'deleted' END,
                            CASE WHEN spoken.content_attributes::text ~ '\\?"automation_rule_id\\?"\s*:\s*\d' THEN 'automation' END,
                            CASE WHEN spoken.content_attributes::text ~ '\\?"external_echo\\?"\s*:\s*true' THEN 'echo' END
                        )
                    END
                    || CASE WHEN spoken.additional_attributes ? 'campaign_id' THEN 'campaign' ELSE '' END) COLLATE "C",
                    hashint8extended(
                        spoken.id,
                        timestamp_hash_extended(
                            spoken.created_at,
                            spoken.message_type + 8 * coalesce(spoken.status = 3, false)::integer
                        )
                        # coalesce(files.hash, 0)
                    )
                )
            )
        ) >> 20)::bigint AS hash
    FROM spoken
    LEFT JOIN files ON files.message_id = spoken.id
    LEFT JOIN contacts AS customer ON spoken.sender_type = 'Contact' AND customer.id = spoken.sender_id
    LEFT JOIN users AS agent ON spoken.sender_type = 'User' AND agent.id = spoken.sender_id
    LEFT JOIN agent_bots AS bot ON spoken.sender_type = 'AgentBot' AND bot.id = spoken.sender_id
    GROUP BY spoken.conversation_id
),
earlier AS (
    -- What an earlier integration noted of a contact.
    SELECT contact_id, sum(hashtextextended(source_id COLLATE "C", id) >> 20)::bigint AS hash
    FROM contact_inboxes
    WHERE left(source_id, 7) = 'krayin:'
        AND (%(keys)s::bigint[] IS NULL OR contact_id = ANY(ARRAY(SELECT contact_id FROM conversation)))
    GROUP BY contact_id
)
SELECT
    hashed.display_id >> %(shift)s AS bucket,
    count(*) AS conversations,
    (sum(hashed.hash) %% 9223372036854775807)::bigint AS checksum
FROM (
    SELECT
        conversation.display_id::bigint AS display_id,
        hashtextextended(
            coalesce(conversation.cached_label_list, '') COLLATE "C",
            hashtextextended(
                coalesce(conversation.custom_attributes, '{}')::text COLLATE "C",
                hashtextextended(
                    -- Names of different kinds cannot be taken for each other: no name holds a control character.
                    concat(
                        (coalesce(conversation.additional_attributes ->> 'mail_subject', '') <> '')::text,
                        E'\x01', inbox.name, E'\x01', inbox.channel_type,
                        E'\x01', coalesce(nullif(assignee.display_name, ''), assignee.name),
                        E'\x01', CASE
                            WHEN conversation.bot_type = 'AgentBot' THEN bot.name
                            WHEN conversation.bot_id IS NOT NULL THEN 'AI assistant'
                        END,
                        E'\x01', team.name
                    ) COLLATE "C",
                    hashint8extended(
                        conversation.display_id,
                        hashint8extended(
                            coalesce(conversation.contact_id, 0),
                            timestamp_hash_extended(
                                conversation.created_at,
                                conversation.status + 8 * coalesce(conversation.priority + 1, 0)
                            )
                            # coalesce(said.hash, 0)
                        )
                        # coalesce(earlier.hash, 0)
                    )
                )
            )
        ) & 4611686018427387902
        | coalesce(conversation.last_activity_at < %(since)s::timestamptz AT TIME ZONE 'UTC', false)::integer AS hash
    FROM conversation
    LEFT JOIN inboxes AS inbox ON inbox.id = conversation.inbox_id
    LEFT JOIN users AS assignee ON assignee.id = conversation.assignee_id
    LEFT JOIN agent_bots AS bot ON bot.id = conversation.bot_id
    LEFT JOIN teams AS team ON team.id = conversation.team_id
    LEFT JOIN earlier ON earlier.contact_id = conversation.contact_id
    LEFT JOIN said ON said.conversation_id = conversation.id
) AS hashed
GROUP BY 1
ORDER BY 1
