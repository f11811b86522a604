-- Purpose: tell of each needed column whether its table and itself exist, whether the role may read it, and whether row
--   security keeps rows of the table from the role (not from owners, superusers and roles with BYPASSRLS).
-- Parameters: tables, columns (text[] of one length: the column and the table it is needed in).
-- Indexes: the catalogue's own.
SELECT
    needed.table_name,
    needed.column_name,
    to_regclass(needed.table_name) IS NOT NULL AS table_found,
    attribute.attname IS NOT NULL AS column_found,
    coalesce(has_column_privilege(attribute.attrelid, attribute.attnum, 'SELECT'), false) AS readable,
    coalesce(row_security_active(to_regclass(needed.table_name)::oid), false) AS row_security
FROM unnest(%(tables)s::text[], %(columns)s::text[]) AS needed (table_name, column_name)
LEFT JOIN pg_attribute AS attribute
    ON attribute.attrelid = to_regclass(needed.table_name)
    AND attribute.attname = needed.column_name
    AND NOT attribute.attisdropped
ORDER BY needed.table_name, needed.column_name
