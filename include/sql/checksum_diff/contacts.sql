-- Purpose: checksums of the contacts of an account over exactly what they are mapped from, by buckets of
--   2^shift consecutive ids: their number, and the sum of their hashes modulo 2^63 - 1. With shift 0 a bucket is
--   a contact and its checksum the contact's hash: 62 bits, the lowest set where it had no activity since `since`.
--   What jobs note about avatars, and who was seen when, is not part of it.
-- Parameters: account_id; inboxes (bigint[], NULL: all): contacts with one of these; since (timestamptz, NULL: no
--   bound); shift; keys (bigint[], NULL: all): ids.
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
) AS hashed
GROUP BY 1
ORDER BY 1
