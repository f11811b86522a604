-- name: checksums
-- Checksums of the public messages of an account over exactly what they are mapped from (see contacts.sql),
-- with their conversation, inbox, sender and attachments, by buckets of 2^shift consecutive ids. Private notes, log
-- lines and templates are left out.
-- Parameters: account_id; inboxes (bigint[], NULL: all); where: see contact_scope.sql;
--   since (timestamptz, NULL: no bound); shift; keys (bigint[], NULL: all): ids.
-- Indexes: all: none, sequential scans; some: messages_pkey, conversations_pkey, index_attachments_on_message_id,
--   index_active_storage_attachments_uniqueness, the primary keys of the rest.
WITH earlier AS (
    -- What an earlier integration noted of a contact.
    SELECT contact_id, sum(hashtextextended(source_id COLLATE "C", id) >> 20)::bigint AS hash
    FROM contact_inboxes
    WHERE left(source_id, 7) = 'krayin:'
    GROUP BY contact_id
),
conversation AS (
    SELECT
        conversation.id,
        hashtextextended(
            coalesce(inbox.name, '') COLLATE "C",
            hashtextextended(
                coalesce(inbox.channel_type, '') COLLATE "C",
                hashint8extended(
                    conversation.display_id, hashint8extended(coalesce(conversation.contact_id, 0), coalesce(earlier.hash, 0))
                )
            )
        ) AS hash
    FROM conversations AS conversation
    LEFT JOIN inboxes AS inbox ON inbox.id = conversation.inbox_id
    LEFT JOIN earlier ON earlier.contact_id = conversation.contact_id
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
    WHERE %(keys)s::bigint[] IS NULL OR attachment.message_id = ANY(%(keys)s::bigint[])
    GROUP BY attachment.message_id
),
message AS (
    SELECT
        spoken.id, spoken.conversation_id, spoken.message_type, spoken.content_type, spoken.status, spoken.created_at,
        CASE WHEN spoken.message_type = 3 THEN '' ELSE coalesce(spoken.content, '') END AS content,
        nullif(concat_ws(E'\x01', extras.subject, extras.body, extras.details), '') AS extras,
        coalesce(spoken.sender_type, '') || ':' || CASE spoken.sender_type
            WHEN 'Contact' THEN coalesce(customer.name, '')
            WHEN 'User' THEN coalesce(nullif(agent.display_name, ''), agent.name, '')
            WHEN 'AgentBot' THEN coalesce(bot.name, '')
            ELSE ''
        END AS sender,
        CASE
            WHEN spoken.content_attributes IS NULL OR spoken.content_attributes::text IN ('{}', '"{}"', 'null')
                THEN ''
            ELSE concat(
                CASE WHEN spoken.content_attributes::text ~ '^"?\{\\?"deleted\\?"\s*:\s*true\s*\}"?$' THEN 'deleted' END,
                CASE WHEN spoken.content_attributes::text ~ '\\?"automation_rule_id\\?"\s*:\s*\d' THEN 'automation' END,
                CASE WHEN spoken.content_attributes::text ~ '\\?"external_echo\\?"\s*:\s*true' THEN 'echo' END
            )
        END
        || CASE WHEN spoken.additional_attributes ? 'campaign_id' THEN 'campaign' ELSE '' END AS flags
    FROM messages AS spoken
    LEFT JOIN contacts AS customer ON spoken.sender_type = 'Contact' AND customer.id = spoken.sender_id
    LEFT JOIN users AS agent ON spoken.sender_type = 'User' AND agent.id = spoken.sender_id
    LEFT JOIN agent_bots AS bot ON spoken.sender_type = 'AgentBot' AND bot.id = spoken.sender_id
    -- include: message_parts/extras
    WHERE spoken.account_id = %(account_id)s
        AND
        -- include: message_parts/is_public
        AND
        -- include: contact_scope/of_message
        AND (%(inboxes)s::bigint[] IS NULL OR spoken.inbox_id = ANY(%(inboxes)s::bigint[]))
        AND (%(keys)s::bigint[] IS NULL OR spoken.id = ANY(%(keys)s::bigint[]))
)
SELECT
    hashed.id >> %(shift)s AS bucket,
    count(*) AS messages,
    (sum(hashed.hash) %% 9223372036854775807)::bigint AS checksum
FROM (
    SELECT
        message.id::bigint AS id,
        hashtextextended(
            message.content COLLATE "C",
            hashtextextended(
                message.flags COLLATE "C",
                hashtextextended(
                    message.sender COLLATE "C",
                    hashint8extended(
                        message.id,
                        timestamp_hash_extended(
                            message.created_at,
                            message.message_type + 4 * (message.content_type = 8)::integer
                                + 8 * coalesce(message.status = 3, false)::integer
                        )
                        # conversation.hash
                        # coalesce(files.hash, 0)
                        # coalesce(hashtextextended(message.extras COLLATE "C", 1), 0)
                    )
                )
            )
        ) & 4611686018427387902
        | coalesce(message.created_at < %(since)s::timestamptz AT TIME ZONE 'UTC', false)::integer AS hash
    FROM message
    JOIN conversation ON conversation.id = message.conversation_id
    LEFT JOIN files ON files.message_id = message.id
) AS hashed
GROUP BY 1
ORDER BY 1


-- name: exist
-- Which of some messages an account has, whatever their inbox.
-- Parameters: account_id; keys (bigint[]).
-- Indexes: messages_pkey.
SELECT id FROM messages WHERE account_id = %(account_id)s AND id = ANY(%(keys)s::bigint[])


-- name: ids
-- The ids of public messages of an account that a person, a bot or a customer wrote. Each bound that is NULL is none.
-- Parameters: account_id; inboxes (bigint[]); where: see contact_scope.sql; since (timestamptz): created since
--   then; contact_ids (bigint[]): in the conversations of these; keys (bigint[]): ids; start (inclusive), end (exclusive), timestamptz: created in this
--   window.
-- Indexes: all, by ids: messages_pkey; by time: index_messages_on_account_created_type; by contacts:
--   index_conversations_on_contact_id, index_messages_on_conversation_account_type_created (an array and no join: only
--   so it falls away where it is NULL).
SELECT id
FROM messages AS spoken
WHERE account_id = %(account_id)s
    AND
    -- include: message_parts/is_public
    AND
    -- include: contact_scope/of_message
    AND (%(inboxes)s::bigint[] IS NULL OR inbox_id = ANY(%(inboxes)s::bigint[]))
    AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s::timestamptz AT TIME ZONE 'UTC')
    AND (
        %(contact_ids)s::bigint[] IS NULL
        OR conversation_id = ANY(ARRAY(
            SELECT id
            FROM conversations
            WHERE account_id = %(account_id)s AND contact_id = ANY(%(contact_ids)s::bigint[])
        ))
    )
    AND (%(keys)s::bigint[] IS NULL OR id = ANY(%(keys)s::bigint[]))
    AND (%(start)s::timestamptz IS NULL OR created_at >= %(start)s::timestamptz AT TIME ZONE 'UTC')
    AND (%(end)s::timestamptz IS NULL OR created_at < %(end)s::timestamptz AT TIME ZONE 'UTC')
ORDER BY id


-- name: rows
-- Public messages by id with their conversation, sender and attachments. Private notes, log lines and
-- templates are left out here, so that their contents never leave the database.
-- Parameters: ids (bigint[]); account_id; inboxes (bigint[], NULL: all); where: see contact_scope.sql;
--   letters: how much of each.
-- Indexes: messages_pkey, conversations_pkey, index_attachments_on_message_id,
--   index_active_storage_attachments_uniqueness, the primary keys of the rest.
SELECT
    spoken.id,
    spoken.account_id,
    spoken.conversation_id,
    conversation.display_id,
    conversation.contact_id,
    (
        SELECT array_agg(named.source_id ORDER BY named.id)
        FROM contact_inboxes AS named
        WHERE named.contact_id = conversation.contact_id AND left(named.source_id, 7) = 'krayin:'
    ) AS earlier_ids,
    conversation.inbox_id,
    inbox.name AS inbox_name,
    coalesce(inbox.channel_type, '') AS channel_type,
    spoken.message_type,
    spoken.content_type,
    CASE WHEN spoken.message_type <> 3 THEN left(spoken.content, %(letters)s) END AS content,
    extras.subject,
    nullif(extras.body, spoken.content) AS body,
    extras.details,
    spoken.status,
    spoken.sender_type,
    CASE spoken.sender_type
        WHEN 'Contact' THEN customer.name
        WHEN 'User' THEN coalesce(nullif(agent.display_name, ''), agent.name)
        WHEN 'AgentBot' THEN bot.name
    END AS sender_name,
    array_remove(ARRAY[
        CASE WHEN spoken.content_attributes::text ~ '^"?\{\\?"deleted\\?"\s*:\s*true\s*\}"?$' THEN 'deleted' END,
        CASE WHEN spoken.content_attributes::text ~ '\\?"automation_rule_id\\?"\s*:\s*\d' THEN 'automation' END,
        CASE WHEN spoken.content_attributes::text ~ '\\?"external_echo\\?"\s*:\s*true' THEN 'echo' END,
        CASE WHEN spoken.additional_attributes ? 'campaign_id' THEN 'campaign' END
    ], NULL) AS flags,
    spoken.created_at::text AS created_at,
    files.attachments
FROM messages AS spoken
JOIN conversations AS conversation ON conversation.id = spoken.conversation_id
LEFT JOIN inboxes AS inbox ON inbox.id = conversation.inbox_id
LEFT JOIN contacts AS customer ON spoken.sender_type = 'Contact' AND customer.id = spoken.sender_id
LEFT JOIN users AS agent ON spoken.sender_type = 'User' AND agent.id = spoken.sender_id
LEFT JOIN agent_bots AS bot ON spoken.sender_type = 'AgentBot' AND bot.id = spoken.sender_id
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
    WHERE attachment.message_id = spoken.id
) AS files ON true
-- include: message_parts/extras
WHERE spoken.id = ANY(%(ids)s::bigint[])
    AND spoken.account_id = %(account_id)s
    AND
    -- include: message_parts/is_public
    AND
    -- include: contact_scope/of_message
    AND (%(inboxes)s::bigint[] IS NULL OR spoken.inbox_id = ANY(%(inboxes)s::bigint[]))
ORDER BY spoken.id
