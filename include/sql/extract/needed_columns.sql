-- Purpose: tell of each needed column whether its table and itself exist, whether the role may read it, and from whom
--   row security hides rows of the table: never from its owner, superusers and roles with BYPASSRLS. What a view shows is
--   read as its owner, unless it is made to be read as whoever asks (PostgreSQL 15 and later).
-- Parameters: tables, columns (text[] of one length: the column and the table it is needed in).
-- Indexes: the catalogue's own.
WITH RECURSIVE needed AS (
    SELECT * FROM unnest(%(tables)s::text[], %(columns)s::text[]) AS needed (table_name, column_name)
), asking AS (
    SELECT oid FROM pg_roles WHERE rolname = current_user
), read (table_name, relation, reader) AS (
    SELECT needed.table_name, to_regclass(needed.table_name)::oid, asking.oid
    FROM needed, asking
    UNION
    SELECT read.table_name, used.refobjid, CASE WHEN EXISTS (
        SELECT FROM pg_options_to_table(shown.reloptions)
        WHERE option_name = 'security_invoker' AND option_value::boolean
    ) THEN asking.oid ELSE shown.relowner END
    FROM read
    CROSS JOIN asking
    JOIN pg_class AS shown ON shown.oid = read.relation AND shown.relkind IN ('v', 'm')
    JOIN pg_rewrite AS rule ON rule.ev_class = shown.oid
    JOIN pg_depend AS used ON used.classid = 'pg_rewrite'::regclass AND used.objid = rule.oid
        AND used.refclassid = 'pg_class'::regclass AND used.refobjid <> shown.oid
), hidden AS (
    SELECT read.table_name, min(role.rolname) AS from_role
    FROM read
    JOIN pg_class AS relation ON relation.oid = read.relation AND relation.relrowsecurity
    JOIN pg_roles AS role ON role.oid = read.reader AND NOT role.rolsuper AND NOT role.rolbypassrls
    WHERE relation.relforcerowsecurity OR NOT pg_has_role(read.reader, relation.relowner, 'USAGE')
    GROUP BY 1
)
SELECT
    needed.table_name,
    needed.column_name,
    to_regclass(needed.table_name) IS NOT NULL AS table_found,
    attribute.attname IS NOT NULL AS column_found,
    coalesce(has_column_privilege(attribute.attrelid, attribute.attnum, 'SELECT'), false) AS readable,
    hidden.from_role AS hidden_from
FROM needed
LEFT JOIN pg_attribute AS attribute
    ON attribute.attrelid = to_regclass(needed.table_name)
    AND attribute.attname = needed.column_name
    AND NOT attribute.attisdropped
LEFT JOIN hidden ON hidden.table_name = needed.table_name
ORDER BY needed.table_name, needed.column_name
