-- name: is_new
-- Whether a row was written by a transaction that an earlier snapshot may not have seen. A line
-- `-- include: row_age/is_new` stands where it is asked.
-- Parameters: since_xid: xmin of the earlier snapshot; next_xid: xmax of the present one, both 64 bits wide.
--
-- xmin has 32 bits. next_xid - xmin, modulo 2^32, is how many transactions ago the row was written; the row is new if
-- that is not more than next_xid - since_xid. It is taken as the difference of ages, since age() is far cheaper than
-- arithmetic on the text of an xmin. Ids up to 2 mark rows that are older than any run: their age is the greatest.
-- The age of next_xid is asked for once, which is what its SELECT is for.
(
    (
        (age(xmin) - (SELECT age((%(next_xid)s::bigint & 4294967295)::text::xid)::bigint)) & 4294967295
    ) <= %(next_xid)s::bigint - %(since_xid)s::bigint
    AND age(xmin) < 2147483647
)
