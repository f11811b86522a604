-- name: columns
-- The views with their columns and what the comments say of them, as they were made.
-- Indexes: the catalogue's own.
SELECT view.relname,
       obj_description(view.oid, 'pg_class'),
       attribute.attname,
       CASE format_type(attribute.atttypid, attribute.atttypmod)
           WHEN 'timestamp with time zone' THEN 'timestamptz'
           ELSE format_type(attribute.atttypid, attribute.atttypmod)
       END,
       col_description(view.oid, attribute.attnum)
FROM pg_catalog.pg_class AS view
JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = view.oid AND attribute.attnum > 0
WHERE view.relnamespace = 'krayin_sync'::regnamespace AND view.relkind = 'v'
ORDER BY view.oid, attribute.attnum
