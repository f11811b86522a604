-- Purpose: the contacts that have one of these addresses now.
-- Parameters: account_id; emails (text[], in lower case), phones (text[]).
-- Indexes: index_contacts_on_lower_email_account_id, index_contacts_on_phone_number_and_account_id.
SELECT id, lower(email) AS email, phone_number
FROM contacts
WHERE account_id = %(account_id)s
    AND (lower(email) = ANY(%(emails)s::text[]) OR phone_number = ANY(%(phones)s::text[]))
ORDER BY id
