-- name: checksums
-- Checksums of how far the conversations of contacts came (see extract/progress.sql), by buckets of 2^shift
-- consecutive contact ids; hashes as in contacts.sql.
-- Parameters: account_id; inboxes (bigint[], NULL: all); where: see contact_scope.sql;
--   since (timestamptz, NULL: no bound); shift; keys (bigint[], NULL: all): contacts.
-- Indexes: all: none, sequential scans; some: index_conversations_on_contact_id,
--   index_reporting_events_on_conversation_id.
WITH conversation AS NOT MATERIALIZED (
    SELECT id, contact_id, status, created_at, first_reply_created_at, last_activity_at
    FROM conversations AS conversation
    WHERE account_id = %(account_id)s
        AND contact_id IS NOT NULL
        AND
        -- include: contact_scope/of_conversation
        AND (%(inboxes)s::bigint[] IS NULL OR inbox_id = ANY(%(inboxes)s::bigint[]))
        AND (%(keys)s::bigint[] IS NULL OR contact_id = ANY(%(keys)s::bigint[]))
),
event AS (
    SELECT conversation_id, max(event_end_time) AS resolved_at
    FROM reporting_events
    WHERE name = 'conversation_resolved'
        AND (
            %(keys)s::bigint[] IS NULL
            OR conversation_id = ANY(ARRAY(SELECT id FROM conversation WHERE status = 1))
        )
    GROUP BY conversation_id
)
SELECT
    hashed.contact_id >> %(shift)s AS bucket,
    count(*) AS contacts,
    (sum(hashed.hash) %% 9223372036854775807)::bigint AS checksum
FROM (
    SELECT
        conversation.contact_id,
        timestamp_hash_extended(
            coalesce(max(conversation.created_at), '-infinity'),
            timestamp_hash_extended(
                coalesce(max(conversation.first_reply_created_at), '-infinity'),
                timestamp_hash_extended(
                    coalesce(
                        max(coalesce(event.resolved_at, conversation.last_activity_at))
                            FILTER (WHERE conversation.status = 1),
                        '-infinity'
                    ),
                    conversation.contact_id
                )
            )
        ) & 4611686018427387902
        | coalesce(max(conversation.last_activity_at) < %(since)s::timestamptz AT TIME ZONE 'UTC', false)::integer AS hash
    FROM conversation
    LEFT JOIN event ON event.conversation_id = conversation.id AND conversation.status = 1
    GROUP BY conversation.contact_id
) AS hashed
GROUP BY 1
ORDER BY 1


-- name: exist
-- Which of some contacts have a conversation, whatever its inbox.
-- Parameters: account_id; keys (bigint[]): contacts.
-- Indexes: index_conversations_on_contact_id.
SELECT DISTINCT contact_id
FROM conversations
WHERE account_id = %(account_id)s AND contact_id = ANY(%(keys)s::bigint[])


-- name: ids
-- The contacts of an account that have a conversation. Each bound that is NULL is none.
-- Parameters: account_id; inboxes (bigint[]); where: see contact_scope.sql; since (timestamptz): a conversation with activity since then; contact_ids,
--   keys (bigint[]): of these; start (inclusive), end (exclusive), timestamptz: a conversation created or updated in this
--   window.
-- Indexes: all: index_conversations_on_account_id; by contacts: index_conversations_on_contact_id. Chatwoot has none on
--   updated_at.
SELECT DISTINCT contact_id
FROM conversations AS conversation
WHERE account_id = %(account_id)s
    AND contact_id IS NOT NULL
    AND
    -- include: contact_scope/of_conversation
    AND (%(inboxes)s::bigint[] IS NULL OR inbox_id = ANY(%(inboxes)s::bigint[]))
    AND (%(since)s::timestamptz IS NULL OR last_activity_at >= %(since)s::timestamptz AT TIME ZONE 'UTC')
    AND (%(contact_ids)s::bigint[] IS NULL OR contact_id = ANY(%(contact_ids)s::bigint[]))
    AND (%(keys)s::bigint[] IS NULL OR contact_id = ANY(%(keys)s::bigint[]))
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
ORDER BY contact_id


-- name: rows
-- How far the conversations of some contacts came: the latest start, the latest first answer by a human
-- (Chatwoot notes none for bots, automations and templates), and the latest resolution of one resolved now. Where
-- `by_inbox`, `inboxes` says the same of each inbox, as JSON, that of the oldest conversation first.
-- Parameters: ids (bigint[], contacts); account_id; inboxes (bigint[], NULL: all); where; by_inbox (boolean).
-- Indexes: index_conversations_on_contact_id, index_reporting_events_on_conversation_id.
SELECT
    contact_id,
    max(created_at)::text AS created_at,
    max(responded_at)::text AS responded_at,
    max(resolved_at)::text AS resolved_at,
    CASE WHEN %(by_inbox)s THEN json_agg(json_build_object(
        'inbox_id', inbox_id,
        'created_at', created_at::text,
        'responded_at', responded_at::text,
        'resolved_at', resolved_at::text
    ) ORDER BY first) END AS inboxes
FROM (
    SELECT
        conversation.contact_id,
        conversation.inbox_id,
        min(conversation.display_id) AS first,
        max(conversation.created_at) AS created_at,
        max(conversation.first_reply_created_at) AS responded_at,
        max(CASE
            WHEN conversation.status = 1 THEN coalesce(
                (
                    SELECT max(event.event_end_time)
                    FROM reporting_events AS event
                    WHERE event.conversation_id = conversation.id AND event.name = 'conversation_resolved'
                ),
                -- The line "... resolved the conversation" is its last activity.
                conversation.last_activity_at
            )
        END) AS resolved_at
    FROM conversations AS conversation
    WHERE conversation.contact_id = ANY(%(ids)s::bigint[])
        AND conversation.account_id = %(account_id)s
        AND
        -- include: contact_scope/of_conversation
        AND (%(inboxes)s::bigint[] IS NULL OR conversation.inbox_id = ANY(%(inboxes)s::bigint[]))
    GROUP BY conversation.contact_id, conversation.inbox_id
) AS told
GROUP BY contact_id
ORDER BY contact_id
