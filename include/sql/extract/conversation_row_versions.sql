-- Purpose: tell whether xmin of the tables of conversations can be read and means what it means in
--   PostgreSQL's own tables (see row_versions.sql).
-- Parameters: none.
-- Indexes: the catalogue's own.
SELECT count(*) = 3 AND bool_and(
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
WHERE relation.oid IN (to_regclass('conversations'), to_regclass('messages'), to_regclass('attachments'))
