-- Purpose: contacts by id with their labels and inboxes; times that no calendar has come as NULL and are
--   named in `unreadable`.
-- Parameters: ids (bigint[]); account_id; inboxes (bigint[], NULL: all): contacts with one of these.
-- Indexes: contacts_pkey, index_contact_inboxes_on_contact_id,
--   index_taggings_on_taggable_id_and_taggable_type_and_context, tags_pkey.
WITH labelled AS (
    SELECT tagging.taggable_id AS contact_id, array_agg(DISTINCT tag.name) FILTER (WHERE tag.name IS NOT NULL) AS labels
    FROM taggings AS tagging
    JOIN tags AS tag ON tag.id = tagging.tag_id
    WHERE tagging.taggable_id = ANY(%(ids)s::bigint[])
        AND tagging.taggable_type = 'Contact'
        AND tagging.context = 'labels'
    GROUP BY tagging.taggable_id
),
linked AS (
    SELECT contact_id, array_agg(inbox_id) AS inbox_ids, array_agg(source_id) AS source_ids
    FROM contact_inboxes
    WHERE contact_id = ANY(%(ids)s::bigint[])
        AND inbox_id IS NOT NULL
    GROUP BY contact_id
)
SELECT
    contact.id,
    contact.account_id,
    contact.name,
    contact.last_name,
    contact.middle_name,
    contact.email,
    contact.phone_number,
    contact.identifier,
    contact.contact_type,
    contact.blocked,
    contact.location,
    contact.country_code,
    contact.additional_attributes::text AS additional_attributes,
    contact.custom_attributes::text AS custom_attributes,
    CASE
        WHEN contact.last_activity_at >= '0001-01-01' AND contact.last_activity_at < '10000-01-01'
            THEN contact.last_activity_at
    END AS last_activity_at,
    CASE
        WHEN contact.created_at >= '0001-01-01' AND contact.created_at < '10000-01-01'
            THEN contact.created_at
    END AS created_at,
    CASE
        WHEN contact.updated_at >= '0001-01-01' AND contact.updated_at < '10000-01-01'
            THEN contact.updated_at
    END AS updated_at,
    labelled.labels,
    linked.inbox_ids,
    linked.source_ids,
    array_remove(
        ARRAY[
            CASE
                WHEN NOT (contact.last_activity_at >= '0001-01-01' AND contact.last_activity_at < '10000-01-01')
                    THEN 'last_activity_at'
            END,
            CASE
                WHEN NOT (contact.created_at >= '0001-01-01' AND contact.created_at < '10000-01-01')
                    THEN 'created_at'
            END,
            CASE
                WHEN NOT (contact.updated_at >= '0001-01-01' AND contact.updated_at < '10000-01-01')
                    THEN 'updated_at'
            END
        ],
        NULL
    ) AS unreadable
FROM contacts AS contact
LEFT JOIN labelled ON labelled.contact_id = contact.id
LEFT JOIN linked ON linked.contact_id = contact.id
WHERE contact.id = ANY(%(ids)s::bigint[])
    AND contact.account_id = %(account_id)s
    AND (%(inboxes)s::bigint[] IS NULL OR linked.inbox_ids && %(inboxes)s::bigint[])
ORDER BY contact.id
