-- Purpose: checksums of how far the conversations of contacts came (see extract/progress.sql), by buckets of 2^shift
--   consecutive contact ids; hashes as in contacts.sql.
-- Parameters: account_id; inboxes (bigint[], NULL: all); since (timestamptz, NULL: no bound); shift; keys (bigint[],
--   NULL: all): contacts.
-- Indexes: all: none, sequential scans; some: index_conversations_on_contact_id,
--   index_reporting_events_on_conversation_id.
WITH conversation AS NOT MATERIALIZED (
    SELECT id, contact_id, status, created_at, first_reply_created_at, last_activity_at
    FROM conversations
    WHERE account_id = %(account_id)s
        AND contact_id IS NOT NULL
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
