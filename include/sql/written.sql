-- name: attachments
-- The messages of whose attachments one was written since; see `contacts`.
-- Parameters: account_id, since_xid, next_xid, after (attachments' ids), recent.
-- Indexes: attachments_pkey; all: none.
SELECT message_id
FROM attachments
WHERE account_id = %(account_id)s
    AND (%(after)s::bigint IS NULL OR id > %(after)s::bigint)
    AND
    -- include: row_age/is_new


-- name: contact_inboxes
-- The contacts of whose inboxes one was written since, of whatever account; see `contacts`.
-- Parameters: account_id, since_xid, next_xid, after (contact inboxes' ids), recent.
-- Indexes: contact_inboxes_pkey; all: none.
SELECT contact_id
FROM contact_inboxes
WHERE contact_id IS NOT NULL
    AND (%(after)s::bigint IS NULL OR id > %(after)s::bigint)
    AND
    -- include: row_age/is_new


-- name: contacts
-- The contacts whose row was written by a transaction that an earlier snapshot may not have seen: all of them, or
-- those that an index leads to, which are the new ones and those last active lately.
-- Parameters: account_id; since_xid: xmin of the earlier snapshot; next_xid: xmax of the present one, both 64 bits wide;
--   after (bigint, NULL: all): above this id; recent (timestamptz): active since then.
-- Indexes: contacts_pkey, index_contacts_on_account_id_and_last_activity_at; all: none.
SELECT id
FROM contacts
WHERE account_id = %(account_id)s
    AND (
        %(after)s::bigint IS NULL
        OR id > %(after)s::bigint
        OR last_activity_at >= %(recent)s::timestamptz AT TIME ZONE 'UTC'
    )
    AND
    -- include: row_age/is_new


-- name: contacts_of_conversations
-- Whose some conversations are.
-- Parameters: ids (bigint[]).
-- Indexes: conversations_pkey.
SELECT contact_id FROM conversations WHERE id = ANY(%(ids)s::bigint[]) AND contact_id IS NOT NULL


-- name: conversations
-- The conversations whose row was written since, and whose they are; see `contacts`.
-- Parameters: account_id, since_xid, next_xid, after, recent.
-- Indexes: conversations_pkey; all: none.
SELECT id, coalesce(contact_id, 0) AS contact_id
FROM conversations
WHERE account_id = %(account_id)s
    AND (%(after)s::bigint IS NULL OR id > %(after)s::bigint)
    AND
    -- include: row_age/is_new


-- name: conversations_of_messages
-- In which conversations some messages stand.
-- Parameters: ids (bigint[]).
-- Indexes: messages_pkey.
SELECT conversation_id FROM messages WHERE id = ANY(%(ids)s::bigint[])


-- name: messages
-- The messages whose row was written since, and their conversations, log lines and notes among them; see
-- `contacts`. An index leads to those created lately as well.
-- Parameters: account_id, since_xid, next_xid, after, recent.
-- Indexes: messages_pkey, index_messages_on_account_created_type; all: none.
SELECT id, conversation_id
FROM messages
WHERE account_id = %(account_id)s
    AND (
        %(after)s::bigint IS NULL
        OR id > %(after)s::bigint
        OR created_at >= %(recent)s::timestamptz AT TIME ZONE 'UTC'
    )
    AND
    -- include: row_age/is_new


-- name: messages_of_conversations
-- What was said in some conversations.
-- Parameters: ids (bigint[]).
-- Indexes: index_messages_on_conversation_id.
SELECT id FROM messages WHERE conversation_id = ANY(%(ids)s::bigint[])


-- name: newest_of_contacts
-- The highest ids of the tables that tell of contacts; see `database/written.py`.
-- Indexes: the primary keys.
SELECT
    (SELECT max(id) FROM contacts) AS contacts,
    (SELECT max(id) FROM contact_inboxes) AS contact_inboxes,
    (SELECT max(id) FROM taggings) AS taggings


-- name: newest_of_conversations
-- The highest ids of the tables that tell of conversations.
-- Indexes: the primary keys.
SELECT
    (SELECT max(id) FROM conversations) AS conversations,
    (SELECT max(id) FROM messages) AS messages,
    (SELECT max(id) FROM attachments) AS attachments,
    (SELECT max(id) FROM contact_inboxes) AS contact_inboxes


-- name: taggings
-- The contacts of whose labels one was written since, of whatever account; see `contacts`.
-- Parameters: account_id, since_xid, next_xid, after (taggings' ids), recent.
-- Indexes: taggings_pkey; all: none.
SELECT taggable_id
FROM taggings
WHERE taggable_type = 'Contact'
    AND context = 'labels'
    AND taggable_id IS NOT NULL
    AND (%(after)s::bigint IS NULL OR id > %(after)s::bigint)
    AND
    -- include: row_age/is_new
