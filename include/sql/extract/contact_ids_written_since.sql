-- Purpose: the ids of contacts whose row, or a row of whose inboxes or labels, was written by a
--   transaction that an earlier snapshot may not have seen. Ids of other accounts can be among them.
-- Parameters: account_id; since_xid: xmin of the earlier snapshot; next_xid: xmax of the present one; both 64 bits wide.
-- Indexes: none; three sequential scans (Chatwoot has no index that would spare them).
--
-- xmin has 32 bits. next_xid - xmin, modulo 2^32, is how many transactions ago the row was written; the row is new if
-- that is not more than next_xid - since_xid. It is taken as the difference of ages, since age() is far cheaper than
-- arithmetic on the text of an xmin. Ids up to 2 mark rows that are older than any run: their age is the greatest.
WITH next AS (
    SELECT age((%(next_xid)s::bigint & 4294967295)::text::xid)::bigint AS age
)
SELECT id
FROM contacts
WHERE account_id = %(account_id)s
    AND ((age(xmin) - (SELECT age FROM next)) & 4294967295) <= %(next_xid)s::bigint - %(since_xid)s::bigint
    AND age(xmin) < 2147483647
UNION
SELECT contact_id
FROM contact_inboxes
WHERE contact_id IS NOT NULL
    AND ((age(xmin) - (SELECT age FROM next)) & 4294967295) <= %(next_xid)s::bigint - %(since_xid)s::bigint
    AND age(xmin) < 2147483647
UNION
SELECT taggable_id
FROM taggings
WHERE taggable_type = 'Contact'
    AND context = 'labels'
    AND taggable_id IS NOT NULL
    AND ((age(xmin) - (SELECT age FROM next)) & 4294967295) <= %(next_xid)s::bigint - %(since_xid)s::bigint
    AND age(xmin) < 2147483647
ORDER BY 1
