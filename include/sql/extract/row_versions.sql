-- Purpose: tell whether xmin of the three tables can be read and means what it means in PostgreSQL's own
--   tables: no view, no foreign table, no other storage, and SELECT on the whole table.
-- Parameters: none.
-- Indexes: the catalogue's own.
SELECT bool_and(
    relation.relkind IN ('r', 'p')
    AND has_table_privilege(relation.oid, 'SELECT')
    AND NOT EXISTS (
        SELECT 1
        FROM pg_partition_tree(relation.oid) AS part
        JOIN pg_class AS piece ON piece.oid = part.relid
        LEFT JOIN pg_am AS storage ON storage.oid = piece.relam
        WHERE piece.relkind <> 'p'
            AND (piece.relkind <> 'r' OR storage.amname IS DISTINCT FROM 'heap')
    )
) AS comparable
FROM pg_class AS relation
WHERE relation.oid IN (to_regclass('contacts'), to_regclass('contact_inboxes'), to_regclass('taggings'))
