-- Purpose: the ids of all contacts of an account.
-- Parameters: account_id.
-- Indexes: index_contacts_on_account_id, or contacts_pkey where one account has nearly all rows.
SELECT id
FROM contacts
WHERE account_id = %(account_id)s
ORDER BY id
