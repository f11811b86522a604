-- name: checksums
-- Checksums of the contacts of an account over exactly what they are mapped from, by buckets of
-- 2^shift consecutive ids: their number, and the sum of their hashes modulo 2^63 - 1. With shift 0 a bucket is
-- a contact and its checksum the contact's hash: 62 bits, the lowest set where it had no activity since `since`.
-- What jobs note about avatars, and who was seen when, is not part of it; labels are with `labels`.
-- Parameters: account_id; inboxes (bigint[], NULL: all): contacts with one of these; where, lead: see contact_scope.sql;
--   labels (boolean); since (timestamptz, NULL: no bound); shift; keys (bigint[], NULL: all): ids.
-- Indexes: all: none, sequential scans of contacts and contact_inboxes; some: contacts_pkey,
--   index_contact_inboxes_on_contact_id.
SELECT
    hashed.id >> %(shift)s AS bucket,
    count(*) AS contacts,
    (sum(hashed.hash) %% 9223372036854775807)::bigint AS checksum
FROM (
    SELECT
        contact.id::bigint AS id,
        hashtextextended(
            coalesce(contact.name, '') COLLATE "C",
            hashtextextended(
                coalesce(contact.email, '') COLLATE "C",
                hashtextextended(
                    coalesce(contact.phone_number, '') COLLATE "C",
                    hashtextextended(
                        coalesce(contact.identifier, '') COLLATE "C",
                        hashtextextended(
                            (
                                CASE
                                    WHEN contact.additional_attributes ?| ARRAY['avatar_url_hash', 'last_avatar_sync_at']
                                        AND jsonb_typeof(contact.additional_attributes) = 'object'
                                        THEN contact.additional_attributes - 'avatar_url_hash' - 'last_avatar_sync_at'
                                    ELSE coalesce(contact.additional_attributes, '{}')
                                END
                            )::text COLLATE "C",
                            hashtextextended(
                                coalesce(contact.custom_attributes, '{}')::text COLLATE "C",
                                hashint8extended(
                                    contact.id,
                                    coalesce(earlier.hash, 0) + contact.blocked::integer
                                )
                            )
                        )
                    )
                )
            )
        ) & 4611686018427387902
        -- Whether it gets a lead.
        # CASE
            WHEN coalesce(
                -- include: contact_scope/lead_of_contact
                , false
            ) THEN 0
            ELSE 2
        END
        -- include with by_inbox: contact_rule/by_inbox_hash
        # CASE
            WHEN %(labels)s THEN coalesce(
                (
                    SELECT sum(hashtextextended(label.name COLLATE "C", 2) >> 20)::bigint & 4611686018427387900
                    FROM taggings AS tagging
                    JOIN tags AS label ON label.id = tagging.tag_id
                    WHERE tagging.taggable_id = contact.id
                        AND tagging.taggable_type = 'Contact'
                        AND tagging.context = 'labels'
                ),
                0
            )
            ELSE 0
        END
        | (coalesce(
            greatest(contact.created_at, contact.last_activity_at)
                < %(since)s::timestamptz AT TIME ZONE 'UTC',
            false
        ))::integer AS hash
    FROM contacts AS contact
    LEFT JOIN (
        -- What an earlier integration noted of a contact.
        SELECT contact_id, sum(hashtextextended(source_id COLLATE "C", inbox_id) >> 20)::bigint AS hash
        FROM contact_inboxes
        WHERE left(source_id, 7) = 'krayin:'
            AND (%(keys)s::bigint[] IS NULL OR contact_id = ANY(%(keys)s::bigint[]))
        GROUP BY contact_id
    ) AS earlier ON earlier.contact_id = contact.id
    WHERE contact.account_id = %(account_id)s
        AND (%(keys)s::bigint[] IS NULL OR contact.id = ANY(%(keys)s::bigint[]))
        AND (
            %(inboxes)s::bigint[] IS NULL
            OR contact.id IN (SELECT contact_id FROM contact_inboxes WHERE inbox_id = ANY(%(inboxes)s::bigint[]))
        )
        AND
        -- include: contact_scope/of_contact
) AS hashed
GROUP BY 1
ORDER BY 1


-- name: exist
-- Which of some contacts an account has, whatever their inboxes.
-- Parameters: account_id; keys (bigint[]).
-- Indexes: contacts_pkey.
SELECT id FROM contacts WHERE account_id = %(account_id)s AND id = ANY(%(keys)s::bigint[])


-- name: ids
-- The ids of contacts of an account, in whatever inboxes. Each bound that is NULL is none.
-- Parameters: account_id; contact_ids, keys (bigint[]): ids; start (inclusive), end (exclusive), timestamptz: created
--   or updated in this window; where, inboxes: see contact_scope.sql.
-- Indexes: all: index_contacts_on_account_id, or contacts_pkey where one account has nearly all rows; by ids:
--   contacts_pkey. Chatwoot has none on created_at or updated_at.
SELECT id
FROM contacts AS contact
WHERE account_id = %(account_id)s
    AND
    -- include: contact_scope/of_contact
    AND (%(contact_ids)s::bigint[] IS NULL OR id = ANY(%(contact_ids)s::bigint[]))
    AND (%(keys)s::bigint[] IS NULL OR id = ANY(%(keys)s::bigint[]))
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


-- name: inbox_trace_owners
-- Whose some contact inboxes are now, as far as that contact exists.
-- Parameters: account_id; keys (bigint[], ids).
-- Indexes: contact_inboxes_pkey, contacts_pkey.
SELECT traced.id::bigint AS key, contact.id AS contact_id
FROM contact_inboxes AS traced
JOIN contacts AS contact ON contact.id = traced.contact_id AND contact.account_id = %(account_id)s
WHERE traced.id = ANY(%(keys)s::bigint[])


-- name: inbox_traces
-- The latest contact inbox of each contact that has any after a given one; it moves along when two contacts
-- are merged.
-- Parameters: account_id; after (id).
-- Indexes: contact_inboxes_pkey, inboxes_pkey.
SELECT link.contact_id, max(link.id) AS key
FROM contact_inboxes AS link
JOIN inboxes AS inbox ON inbox.id = link.inbox_id
WHERE inbox.account_id = %(account_id)s AND link.id > %(after)s AND link.contact_id IS NOT NULL
GROUP BY link.contact_id


-- name: newest
-- The contacts of an account that were made last.
-- Parameters: account_id; inboxes (bigint[], NULL: all): contacts with one of these; size.
-- Indexes: contacts_pkey from its end, index_contact_inboxes_on_contact_id.
SELECT id
FROM contacts AS contact
WHERE account_id = %(account_id)s
    AND (
        %(inboxes)s::bigint[] IS NULL
        OR EXISTS (
            SELECT 1 FROM contact_inboxes
            WHERE contact_id = contact.id AND inbox_id = ANY(%(inboxes)s::bigint[])
        )
    )
ORDER BY id DESC
LIMIT %(size)s


-- name: rows
-- Contacts by id with their labels and inboxes; times that no calendar has come as NULL and are
-- named in `unreadable`. Those that are not in scope by `where` have `in_scope` false, and those that get no lead by
-- `lead` have `wants_lead` false. Where it is asked, `handling` says who handles the latest conversation, and `by_inbox` what is said
-- in each inbox.
-- Parameters: ids (bigint[]); account_id; inboxes (bigint[], NULL: all): contacts with one of these; where, lead:
--   see contact_scope.sql.
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
    -- include with handling: contact_rule/handling
    -- include with by_inbox: contact_rule/by_inbox
    linked.inbox_ids,
    linked.source_ids,
    coalesce(
        -- include: contact_scope/of_contact
        , false
    ) AS in_scope,
    coalesce(
        -- include: contact_scope/lead_of_contact
        , false
    ) AS wants_lead,
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


-- name: with_natural_keys
-- The contacts that have one of these addresses now.
-- Parameters: account_id; emails (text[], in lower case), phones (text[]).
-- Indexes: index_contacts_on_lower_email_account_id, index_contacts_on_phone_number_and_account_id.
SELECT id, lower(email) AS email, phone_number
FROM contacts
WHERE account_id = %(account_id)s
    AND (lower(email) = ANY(%(emails)s::text[]) OR phone_number = ANY(%(phones)s::text[]))
ORDER BY id
