-- Purpose: whose some contact inboxes are now, as far as that contact exists.
-- Parameters: account_id; keys (bigint[], ids).
-- Indexes: contact_inboxes_pkey, contacts_pkey.
SELECT traced.id::bigint AS key, contact.id AS contact_id
FROM contact_inboxes AS traced
JOIN contacts AS contact ON contact.id = traced.contact_id AND contact.account_id = %(account_id)s
WHERE traced.id = ANY(%(keys)s::bigint[])
