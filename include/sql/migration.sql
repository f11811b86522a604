-- name: lock
-- Let one migrator work at a time; held until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('krayin_sync.migrations', 0))


-- name: schema
-- What must be there before the first migration; the scripts name their tables without the schema. Where the revision is
-- noted is a table of the name and form that Alembic gives it: earlier versions migrated with that.
CREATE SCHEMA IF NOT EXISTS krayin_sync;
CREATE TABLE IF NOT EXISTS krayin_sync.alembic_version (
    version_num varchar(32) CONSTRAINT alembic_version_pkc PRIMARY KEY
);
CREATE TABLE IF NOT EXISTS krayin_sync.definitions (hash text NOT NULL);
SET LOCAL search_path = krayin_sync


-- name: revision
-- The newest migration that the database has; no row in a new one.
SELECT version_num FROM krayin_sync.alembic_version


-- name: note_revision
-- Note that a migration was made.
-- Parameters: revision.
WITH former AS (DELETE FROM krayin_sync.alembic_version)
INSERT INTO krayin_sync.alembic_version (version_num) VALUES (%(revision)s)


-- name: definitions
-- What the functions and views were made from.
SELECT hash FROM krayin_sync.definitions


-- name: note_definitions
-- Note what the functions and views were made from.
-- Parameters: hash.
WITH former AS (DELETE FROM krayin_sync.definitions)
INSERT INTO krayin_sync.definitions (hash) VALUES (%(hash)s)


-- name: view_grants
-- Who may do what with the views, as the commands that allow it: a view that was dropped and made anew has lost them.
SELECT 'GRANT ' || privilege_type || coalesce(' (' || quote_ident(attname) || ')', '') || ' ON ' || quote_ident(relname)
       || ' TO ' || CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END
       || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
FROM (
    SELECT view.relname, NULL AS attname, view.relowner, allowed.*
    FROM pg_catalog.pg_class AS view
    CROSS JOIN aclexplode(view.relacl) AS allowed
    WHERE view.relnamespace = 'krayin_sync'::regnamespace AND view.relkind = 'v'
    UNION ALL
    SELECT view.relname, attribute.attname, view.relowner, allowed.*
    FROM pg_catalog.pg_class AS view
    JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = view.oid
    CROSS JOIN aclexplode(attribute.attacl) AS allowed
    WHERE view.relnamespace = 'krayin_sync'::regnamespace AND view.relkind = 'v'
) AS grants
WHERE grantee <> relowner
