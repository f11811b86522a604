-- name: of_contact
-- Part of a condition: whether `contact` is in scope by its rule.
-- Parameters: where (jsonb, NULL: all are): see `contact_rule/holds`; account_id; inboxes (bigint[], NULL: all).
(
    %(where)s::jsonb IS NULL
    OR (
        -- include: contact_rule/holds
        -- include with conversations: contact_rule/holds_by_conversations
    )
)


-- name: lead_of_contact
-- Part of a condition: whether `contact` gets a lead by the rule for leads.
-- Parameters: lead (jsonb, NULL: all do): see `contact_rule/holds`; account_id; inboxes (bigint[], NULL: all).
(
    %(lead)s::jsonb IS NULL
    OR (
        -- include: contact_rule/holds by lead
        -- include with conversations: contact_rule/holds_by_conversations by lead
    )
)


-- name: of_conversation
-- Part of a condition: whether the contact of `conversation` is in scope by its rule.
-- Parameters: as `of_contact`.
-- Indexes: contacts_pkey.
(
    %(where)s::jsonb IS NULL
    OR EXISTS (
        SELECT
        FROM contacts AS contact
        WHERE contact.id = conversation.contact_id
            AND
            -- include: contact_rule/holds
            -- include with conversations: contact_rule/holds_by_conversations
        -- include with one_by_one: contact_rule/one_by_one
    )
)


-- name: of_message
-- Part of a condition: whether the contact of a message (`spoken`) is in scope by its rule.
-- Parameters: as `of_contact`.
-- Indexes: conversations_pkey, contacts_pkey.
(
    %(where)s::jsonb IS NULL
    OR EXISTS (
        SELECT
        FROM conversations AS conversation
        JOIN contacts AS contact ON contact.id = conversation.contact_id
        WHERE conversation.id = spoken.conversation_id
            AND
            -- include: contact_rule/holds
            -- include with conversations: contact_rule/holds_by_conversations
        -- include with one_by_one: contact_rule/one_by_one
    )
)
