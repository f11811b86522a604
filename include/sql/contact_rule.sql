-- name: handling
-- Who handles the latest conversation of `contact`, as JSON; a column of what is selected.
-- Parameters: account_id; inboxes (bigint[], NULL: all).
-- Indexes: index_conversations_on_contact_id, users_pkey.
(
    SELECT json_build_object(
        'inbox_id', conversation.inbox_id, 'team_id', conversation.team_id, 'agent_id', conversation.assignee_id, 'email', agent.email
    )
    FROM conversations AS conversation
    LEFT JOIN users AS agent ON agent.id = conversation.assignee_id
    WHERE conversation.contact_id = contact.id
        AND conversation.account_id = %(account_id)s
        AND (%(inboxes)s::bigint[] IS NULL OR conversation.inbox_id = ANY(%(inboxes)s::bigint[]))
    ORDER BY conversation.last_activity_at DESC, conversation.id DESC
    LIMIT 1
) AS handling,


-- name: holds
-- Part of a condition: whether `contact` is as the rule has it, as far as its conversations do not matter. A key that is
-- absent is no bound, and what is said of it here falls away when the statement is planned.
-- Parameters: where (jsonb): made by `chatwoot/contact_rule.py`.
-- Indexes: index_taggings_on_taggable_id_and_taggable_type_and_context, index_taggings_on_tag_id, tags_pkey,
--   index_contact_inboxes_on_contact_id, index_contacts_on_account_id_and_last_activity_at.
(NOT %(where)s::jsonb ? 'types' OR %(where)s::jsonb -> 'types' @> to_jsonb(coalesce(contact.contact_type, 0)))
AND (
    NOT %(where)s::jsonb ? 'created_since'
    OR contact.created_at >= (%(where)s::jsonb ->> 'created_since')::timestamptz AT TIME ZONE 'UTC'
)
AND (
    NOT %(where)s::jsonb ? 'active_since'
    OR contact.last_activity_at >= (%(where)s::jsonb ->> 'active_since')::timestamptz AT TIME ZONE 'UTC'
)
AND (
    NOT %(where)s::jsonb ? 'email_domains_any'
    OR %(where)s::jsonb -> 'email_domains_any' ? lower(substring(contact.email FROM '[^@]*$'))
)
AND (
    NOT %(where)s::jsonb ? 'email_domains_none'
    OR NOT %(where)s::jsonb -> 'email_domains_none' ? coalesce(lower(substring(contact.email FROM '[^@]*$')), '')
)
AND (
    NOT %(where)s::jsonb ? 'attributes'
    OR NOT EXISTS (
        SELECT
        FROM jsonb_to_recordset(%(where)s::jsonb -> 'attributes') AS wanted (
            name text, present boolean, texts text[], numbers numeric[], at_least numeric, at_most numeric,
            since_day text, since_moment text, before_day text, before_moment text
        )
        CROSS JOIN LATERAL (
            SELECT coalesce(
                nullif(contact.custom_attributes ->> wanted.name, ''),
                nullif(contact.additional_attributes ->> wanted.name, '')
            ) AS text
        ) AS given
        CROSS JOIN LATERAL (
            SELECT
                CASE WHEN given.text ~ '^-?[0-9]{1,30}(\.[0-9]{1,30})?$' THEN given.text::numeric END AS number,
                CASE WHEN given.text ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}' AND right(given.text, 1) <> 'Z'
                    THEN left(given.text, 10) END AS day,
                CASE WHEN given.text ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}' AND right(given.text, 1) = 'Z'
                    THEN given.text END AS moment
        ) AS told
        WHERE NOT coalesce(
            (wanted.present IS NULL OR wanted.present = (given.text IS NOT NULL))
            AND (
                wanted.texts IS NULL
                OR given.text = ANY(wanted.texts)
                OR coalesce(told.number = ANY(wanted.numbers), false)
            )
            AND (wanted.at_least IS NULL OR told.number >= wanted.at_least)
            AND (wanted.at_most IS NULL OR told.number <= wanted.at_most)
            AND (
                wanted.since_day IS NULL
                OR told.day COLLATE "C" >= wanted.since_day
                OR told.moment COLLATE "C" >= wanted.since_moment
            )
            AND (
                wanted.before_day IS NULL
                OR told.day COLLATE "C" < wanted.before_day
                OR told.moment COLLATE "C" < wanted.before_moment
            ),
            false
        )
    )
)
AND (
    NOT %(where)s::jsonb ? 'inboxes_any'
    OR EXISTS (
        SELECT
        FROM contact_inboxes AS seen
        WHERE seen.contact_id = contact.id AND %(where)s::jsonb -> 'inboxes_any' @> to_jsonb(seen.inbox_id)
    )
)
AND (
    NOT %(where)s::jsonb ? 'channels_any'
    OR EXISTS (
        SELECT
        FROM contact_inboxes AS seen
        WHERE seen.contact_id = contact.id AND %(where)s::jsonb -> 'channels_any' @> to_jsonb(seen.inbox_id)
    )
)
AND (
    NOT %(where)s::jsonb ?| ARRAY['inboxes_none', 'channels_none']
    OR NOT EXISTS (
        SELECT
        FROM contact_inboxes AS seen
        WHERE seen.contact_id = contact.id
            AND (
                %(where)s::jsonb -> 'inboxes_none' @> to_jsonb(seen.inbox_id)
                OR %(where)s::jsonb -> 'channels_none' @> to_jsonb(seen.inbox_id)
            )
    )
)
AND (
    NOT %(where)s::jsonb ? 'labels_any'
    OR EXISTS (
        SELECT
        FROM taggings AS tagging
        JOIN tags AS label ON label.id = tagging.tag_id
        WHERE tagging.taggable_id = contact.id AND tagging.taggable_type = 'Contact' AND tagging.context = 'labels'
            AND %(where)s::jsonb -> 'labels_any' ? label.name
    )
)
AND (
    NOT %(where)s::jsonb ? 'labels_all'
    OR (
        SELECT count(DISTINCT label.name)
        FROM taggings AS tagging
        JOIN tags AS label ON label.id = tagging.tag_id
        WHERE tagging.taggable_id = contact.id AND tagging.taggable_type = 'Contact' AND tagging.context = 'labels'
            AND %(where)s::jsonb -> 'labels_all' ? label.name
    ) = jsonb_array_length(%(where)s::jsonb -> 'labels_all')
)
AND (
    NOT %(where)s::jsonb ? 'labels_none'
    OR NOT EXISTS (
        SELECT
        FROM taggings AS tagging
        JOIN tags AS label ON label.id = tagging.tag_id
        WHERE tagging.taggable_id = contact.id AND tagging.taggable_type = 'Contact' AND tagging.context = 'labels'
            AND %(where)s::jsonb -> 'labels_none' ? label.name
    )
)


-- name: holds_by_conversations
-- The rest of `holds`: whether the conversations of `contact` are as the rule has it. Apart, because a sync that brings
-- contacts only need not be allowed to read conversations.
-- Parameters: where (jsonb); inboxes (bigint[], NULL: all).
-- Indexes: index_conversations_on_contact_id.
AND (
    NOT %(where)s::jsonb ? 'has_conversation'
    OR (%(where)s::jsonb ->> 'has_conversation')::boolean = EXISTS (
        SELECT
        FROM conversations AS conversation
        WHERE conversation.contact_id = contact.id
            AND conversation.account_id = %(account_id)s
            AND (%(inboxes)s::bigint[] IS NULL OR conversation.inbox_id = ANY(%(inboxes)s::bigint[]))
    )
)
AND (
    NOT %(where)s::jsonb ? 'conversation_labels_any'
    OR EXISTS (
        SELECT
        FROM conversations AS conversation
        WHERE conversation.contact_id = contact.id
            AND conversation.account_id = %(account_id)s
            AND (%(inboxes)s::bigint[] IS NULL OR conversation.inbox_id = ANY(%(inboxes)s::bigint[]))
            AND conversation.cached_label_list <> ''
            AND to_jsonb(string_to_array(replace(conversation.cached_label_list, ', ', ','), ','))
                ?| ARRAY(SELECT jsonb_array_elements_text(%(where)s::jsonb -> 'conversation_labels_any'))
    )
)
AND (
    NOT %(where)s::jsonb ? 'conversation_labels_all'
    OR (
        SELECT count(DISTINCT label.name)
        FROM conversations AS conversation
        CROSS JOIN LATERAL unnest(string_to_array(replace(conversation.cached_label_list, ', ', ','), ',')) AS label (name)
        WHERE conversation.contact_id = contact.id
            AND conversation.account_id = %(account_id)s
            AND (%(inboxes)s::bigint[] IS NULL OR conversation.inbox_id = ANY(%(inboxes)s::bigint[]))
            AND %(where)s::jsonb -> 'conversation_labels_all' ? label.name
    ) = jsonb_array_length(%(where)s::jsonb -> 'conversation_labels_all')
)
AND (
    NOT %(where)s::jsonb ? 'conversation_labels_none'
    OR NOT EXISTS (
        SELECT
        FROM conversations AS conversation
        WHERE conversation.contact_id = contact.id
            AND conversation.account_id = %(account_id)s
            AND (%(inboxes)s::bigint[] IS NULL OR conversation.inbox_id = ANY(%(inboxes)s::bigint[]))
            AND conversation.cached_label_list <> ''
            AND to_jsonb(string_to_array(replace(conversation.cached_label_list, ', ', ','), ','))
                ?| ARRAY(SELECT jsonb_array_elements_text(%(where)s::jsonb -> 'conversation_labels_none'))
    )
)


-- name: one_by_one
-- Part of a condition, where only some rows are looked at: it is asked of each. Otherwise PostgreSQL may collect all
-- contacts that the rule means, for every few rows anew.
OFFSET 0


-- name: by_inbox
-- What `contact` says inbox by inbox, that of its oldest conversation first, as JSON; a column of what is selected.
-- Parameters: account_id; inboxes (bigint[], NULL: all).
-- Indexes: index_conversations_on_contact_id, conversations_pkey, users_pkey.
(
    SELECT json_agg(json_build_object(
        'inbox_id', latest.inbox_id, 'team_id', latest.team_id, 'agent_id', latest.assignee_id, 'email', agent.email,
        'labels', told.labels, 'last_activity_at', told.last_activity_at::text
    ) ORDER BY told.first)
    FROM (
        SELECT
            min(conversation.display_id) AS first,
            max(conversation.last_activity_at) AS last_activity_at,
            string_agg(nullif(conversation.cached_label_list, ''), ',') AS labels,
            (array_agg(conversation.id ORDER BY conversation.last_activity_at DESC, conversation.id DESC))[1] AS latest_id
        FROM conversations AS conversation
        WHERE conversation.contact_id = contact.id
            AND conversation.account_id = %(account_id)s
            AND (%(inboxes)s::bigint[] IS NULL OR conversation.inbox_id = ANY(%(inboxes)s::bigint[]))
        GROUP BY conversation.inbox_id
    ) AS told
    JOIN conversations AS latest ON latest.id = told.latest_id
    LEFT JOIN users AS agent ON agent.id = latest.assignee_id
) AS by_inbox,


-- name: by_inbox_hash
-- Part of a hash: in which inboxes `contact` has conversations, and how these are labelled.
-- Parameters: account_id; inboxes (bigint[], NULL: all).
-- Indexes: index_conversations_on_contact_id.
# coalesce(
    (
        SELECT sum(
            hashtextextended(coalesce(conversation.cached_label_list, '') COLLATE "C", conversation.inbox_id) >> 20
        )::bigint & 4611686018427387900
        FROM conversations AS conversation
        WHERE conversation.contact_id = contact.id
            AND conversation.account_id = %(account_id)s
            AND (%(inboxes)s::bigint[] IS NULL OR conversation.inbox_id = ANY(%(inboxes)s::bigint[]))
    ),
    0
)
