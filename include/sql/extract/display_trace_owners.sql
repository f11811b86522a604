-- Purpose: whose the conversations with some display ids are now, as far as that contact exists.
-- Parameters: account_id; keys (bigint[], display ids).
-- Indexes: index_conversations_on_account_id_and_display_id, contacts_pkey.
SELECT traced.display_id::bigint AS key, contact.id AS contact_id
FROM conversations AS traced
JOIN contacts AS contact ON contact.id = traced.contact_id AND contact.account_id = %(account_id)s
WHERE traced.account_id = %(account_id)s AND traced.display_id = ANY(%(keys)s::bigint[])
