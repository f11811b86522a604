-- name: checksums
-- Checksums of the conversations of an account over exactly what they are mapped from (see contacts.sql),
-- with inbox, assignee, team and what was said, by buckets of 2^shift consecutive display ids. All public messages
-- count, not only the latest.
-- Parameters: account_id; inboxes (bigint[], NULL: all); where: see contact_scope.sql; since (timestamptz, NULL: no
--   bound); shift; keys (bigint[], NULL: all): display ids; transcripts: whether so much of a message counts as is read
--   of a whole conversation.
-- Indexes: all: none, sequential scans; some: index_conversations_on_account_id_and_display_id,
--   index_messages_on_conversation_account_type_created, index_attachments_on_message_id,
--   index_active_storage_attachments_uniqueness, the primary keys of the rest.
WITH conversation AS NOT MATERIALIZED (
    SELECT conversation.*
    FROM (SELECT NULL::bigint AS assignee_agent_bot_id, NULL::text AS ai_assignee_type) AS absent
    CROSS JOIN LATERAL (
        -- Earlier versions of Chatwoot 4 lack one of these columns or both: then the name means the NULL above.
        SELECT
            id, account_id, display_id, contact_id, inbox_id, assignee_id, assignee_agent_bot_id AS bot_id,
            coalesce(ai_assignee_type, 'AgentBot') AS bot_type, team_id, status, priority, created_at, last_activity_at,
            cached_label_list, custom_attributes, additional_attributes
        FROM conversations
    ) AS conversation
    WHERE account_id = %(account_id)s
        AND
        -- include: contact_scope/of_conversation
        AND (%(inboxes)s::bigint[] IS NULL OR inbox_id = ANY(%(inboxes)s::bigint[]))
        AND (%(keys)s::bigint[] IS NULL OR display_id = ANY(%(keys)s::bigint[]))
),
spoken AS NOT MATERIALIZED (
    SELECT
        id, conversation_id, message_type, content_type, status, created_at,
        CASE WHEN message_type <> 3 THEN content END AS content,
        sender_type, sender_id, content_attributes, additional_attributes,
        nullif(concat_ws(E'\x01', extras.body, extras.details), '') AS extras
    FROM messages AS spoken
    -- include: message_parts/extras
    WHERE account_id = %(account_id)s
        AND
        -- include: message_parts/is_public
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
            left(coalesce(spoken.content, ''), CASE WHEN %(transcripts)s THEN 10000 ELSE 1000 END) COLLATE "C",
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
                        # coalesce(hashtextextended(spoken.extras COLLATE "C", 1), 0)
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
                        # coalesce(hashtextextended(
                            nullif(conversation.additional_attributes ->> 'mail_subject', '') COLLATE "C", 1
                        ), 0)
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


-- name: display_trace_owners
-- Whose the conversations with some display ids are now, as far as that contact exists.
-- Parameters: account_id; keys (bigint[], display ids).
-- Indexes: index_conversations_on_account_id_and_display_id, contacts_pkey.
SELECT traced.display_id::bigint AS key, contact.id AS contact_id
FROM conversations AS traced
JOIN contacts AS contact ON contact.id = traced.contact_id AND contact.account_id = %(account_id)s
WHERE traced.account_id = %(account_id)s AND traced.display_id = ANY(%(keys)s::bigint[])


-- name: exist
-- Which of some conversations an account has, whatever their inbox.
-- Parameters: account_id; keys (bigint[]): display ids.
-- Indexes: index_conversations_on_account_id_and_display_id.
SELECT display_id FROM conversations WHERE account_id = %(account_id)s AND display_id = ANY(%(keys)s::bigint[])


-- name: ids
-- The ids of conversations of an account. Each bound that is NULL is none.
-- Parameters: account_id; inboxes (bigint[]); where: see contact_scope.sql; since (timestamptz): with activity
--   since then; contact_ids (bigint[]); keys (bigint[]): the numbers that people see; start (inclusive), end (exclusive), timestamptz: created or updated in
--   this window.
-- Indexes: all: index_conversations_on_id_and_account_id; by contacts: index_conversations_on_contact_id; by number:
--   index_conversations_on_account_id_and_display_id. Chatwoot has none on updated_at.
SELECT id
FROM conversations AS conversation
WHERE account_id = %(account_id)s
    AND
    -- include: contact_scope/of_conversation
    AND (%(inboxes)s::bigint[] IS NULL OR inbox_id = ANY(%(inboxes)s::bigint[]))
    AND (%(since)s::timestamptz IS NULL OR last_activity_at >= %(since)s::timestamptz AT TIME ZONE 'UTC')
    AND (%(contact_ids)s::bigint[] IS NULL OR contact_id = ANY(%(contact_ids)s::bigint[]))
    AND (%(keys)s::bigint[] IS NULL OR display_id = ANY(%(keys)s::bigint[]))
    AND (
        %(start)s::timestamptz IS NULL
        OR (
            updated_at >= %(start)s::timestamptz AT TIME ZONE 'UTC'
            AND updated_at < %(end)s::timestamptz AT TIME ZONE 'UTC'
        )
        OR (
            created_at >= %(start)s::timestamptz AT TIME ZONE 'UTC'
            AND created_at < %(end)s::timestamptz AT TIME ZONE 'UTC'
        )
    )
ORDER BY id


-- name: rows
-- Conversations by id with what their texts need and their latest public messages. Private notes, log
-- lines and templates are left out here, so that their contents never leave the database.
-- Parameters: ids (bigint[]); account_id; inboxes (bigint[], NULL: all); where; recent: how many messages; letters: how
--   much of each; transcripts: whether those that are resolved are read whole, by whole and whole_letters instead;
--   enough: how many letters the messages of these may have until none before them is given.
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
    conversation.inbox_id,
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
    said.messages,
    CASE WHEN reading.is_whole THEN (
        SELECT count(*)
        FROM messages AS spoken
        WHERE spoken.conversation_id = conversation.id
            AND spoken.account_id = conversation.account_id
            AND
            -- include: message_parts/is_public
    ) END AS messages_said
FROM (SELECT NULL::bigint AS assignee_agent_bot_id, NULL::text AS ai_assignee_type) AS absent
CROSS JOIN LATERAL (
    -- Earlier versions of Chatwoot 4 lack one of these columns or both: then the name means the NULL above.
    SELECT
        id, account_id, display_id, contact_id, inbox_id, assignee_id, assignee_agent_bot_id AS bot_id,
        coalesce(ai_assignee_type, 'AgentBot') AS bot_type, team_id, status, priority, created_at, cached_label_list,
        custom_attributes, additional_attributes
    FROM conversations
) AS conversation
CROSS JOIN LATERAL (SELECT %(transcripts)s AND coalesce(conversation.status = 1, false) AS is_whole) AS reading
LEFT JOIN inboxes AS inbox ON inbox.id = conversation.inbox_id
LEFT JOIN users AS assignee ON assignee.id = conversation.assignee_id
LEFT JOIN agent_bots AS bot ON bot.id = conversation.bot_id
LEFT JOIN teams AS team ON team.id = conversation.team_id
LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object(
        'id', message.id,
        'message_type', message.message_type,
        'content_type', message.content_type,
        'content', left(message.content, message.letters),
        'body', left(message.body, 10 * message.letters),
        'details', message.details,
        'flags', message.flags,
        'sender_type', message.sender_type,
        'sender_name', message.sender_name,
        'status', message.status,
        'created_at', message.created_at::text,
        'attachments', message.attachments
    ) ORDER BY message.created_at, message.id) AS messages
    FROM (
        SELECT
            latest.*,
            sum(length(coalesce(latest.body, latest.content))) OVER (
                ORDER BY latest.created_at DESC, latest.id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS letters_since
        FROM (
            SELECT
                spoken.id, spoken.message_type, spoken.content_type, spoken.status, spoken.created_at, spoken.sender_type,
                CASE WHEN spoken.message_type <> 3 THEN spoken.content END AS content,
                nullif(extras.body, spoken.content) AS body, extras.details,
                CASE WHEN reading.is_whole THEN %(whole_letters)s ELSE %(letters)s END AS letters,
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
            -- include: message_parts/extras
            WHERE spoken.conversation_id = conversation.id
                AND spoken.account_id = conversation.account_id
                AND
                -- include: message_parts/is_public
            ORDER BY spoken.created_at DESC, spoken.id DESC
            LIMIT CASE WHEN reading.is_whole THEN %(whole)s ELSE %(recent)s END
        ) AS latest
    ) AS message
    WHERE NOT reading.is_whole OR coalesce(message.letters_since, 0) < %(enough)s
) AS said ON true
WHERE conversation.id = ANY(%(ids)s::bigint[])
    AND conversation.account_id = %(account_id)s
    AND
    -- include: contact_scope/of_conversation
    AND (%(inboxes)s::bigint[] IS NULL OR conversation.inbox_id = ANY(%(inboxes)s::bigint[]))
ORDER BY conversation.id


-- name: trace_owners
-- Whose some conversations are now, as far as that contact exists.
-- Parameters: account_id; keys (bigint[], ids).
-- Indexes: conversations_pkey, contacts_pkey.
SELECT traced.id::bigint AS key, contact.id AS contact_id
FROM conversations AS traced
JOIN contacts AS contact ON contact.id = traced.contact_id AND contact.account_id = %(account_id)s
WHERE traced.id = ANY(%(keys)s::bigint[])


-- name: traces
-- The latest conversation of each contact that has any after a given one; it moves along when two contacts
-- are merged.
-- Parameters: account_id; after (id).
-- Indexes: conversations_pkey.
SELECT contact_id, max(id) AS key
FROM conversations
WHERE account_id = %(account_id)s AND id > %(after)s AND contact_id IS NOT NULL
GROUP BY contact_id
