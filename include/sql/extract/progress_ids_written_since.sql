-- Purpose: the contacts of conversations whose row was written by a transaction that an earlier snapshot may not
--   have seen (see contact_ids_written_since.sql).
-- Parameters: account_id; inboxes (bigint[], NULL: all); since_xid: xmin of the earlier snapshot; next_xid: xmax
--   of the present one; both 64 bits wide.
-- Indexes: none; one sequential scan.
WITH next AS (
    SELECT age((%(next_xid)s::bigint & 4294967295)::text::xid)::bigint AS age
)
SELECT DISTINCT contact_id
FROM conversations
WHERE account_id = %(account_id)s
    AND contact_id IS NOT NULL
    AND (%(inboxes)s::bigint[] IS NULL OR inbox_id = ANY(%(inboxes)s::bigint[]))
    AND ((age(xmin) - (SELECT age FROM next)) & 4294967295) <= %(next_xid)s::bigint - %(since_xid)s::bigint
    AND age(xmin) < 2147483647
ORDER BY contact_id
