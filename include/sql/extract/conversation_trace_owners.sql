-- Purpose: whose some conversations are now, as far as that contact exists.
-- Parameters: account_id; keys (bigint[], ids).
-- Indexes: conversations_pkey, contacts_pkey.
SELECT traced.id::bigint AS key, contact.id AS contact_id
FROM conversations AS traced
JOIN contacts AS contact ON contact.id = traced.contact_id AND contact.account_id = %(account_id)s
WHERE traced.id = ANY(%(keys)s::bigint[])
