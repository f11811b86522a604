-- Purpose: how far the conversations of some contacts came: the latest start, the latest first answer by a human
--   (Chatwoot notes none for bots, automations and templates), and the latest resolution of one resolved now.
-- Parameters: ids (bigint[], contacts); account_id; inboxes (bigint[], NULL: all).
-- Indexes: index_conversations_on_contact_id, index_reporting_events_on_conversation_id.
SELECT
    conversation.contact_id,
    max(conversation.created_at)::text AS created_at,
    max(conversation.first_reply_created_at)::text AS responded_at,
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
    END)::text AS resolved_at
FROM conversations AS conversation
WHERE conversation.contact_id = ANY(%(ids)s::bigint[])
    AND conversation.account_id = %(account_id)s
    AND (%(inboxes)s::bigint[] IS NULL OR conversation.inbox_id = ANY(%(inboxes)s::bigint[]))
GROUP BY conversation.contact_id
ORDER BY conversation.contact_id
