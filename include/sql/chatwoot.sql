-- name: accounts
-- All accounts.
-- Indexes: accounts_pkey.
SELECT id, name, coalesce(status, 0) = 1 AS suspended
FROM accounts
ORDER BY id


-- name: elsewhere
-- The schemas that have Chatwoot's tables, whether the session looks into them or not.
-- Indexes: catalogues.
SELECT namespace.nspname::text AS schema_name
FROM pg_class AS relation
JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
WHERE relation.relname IN ('contacts', 'conversations', 'contact_inboxes')
GROUP BY namespace.nspname
HAVING count(*) = 3
ORDER BY 1;


-- name: inboxes
-- The inboxes of an account.
-- Parameters: account_id.
-- Indexes: index_inboxes_on_account_id.
SELECT id, account_id, name, coalesce(channel_type, '') AS channel_type
FROM inboxes
WHERE account_id = %(account_id)s
ORDER BY id


-- name: installation
-- The identifier that Chatwoot gave its installation.
-- Indexes: index_installation_configs_on_name.
SELECT serialized_value::text AS serialized_value
FROM installation_configs
WHERE name = 'INSTALLATION_IDENTIFIER'


-- name: lineage
-- Name the history in which transaction ids are comparable: cluster, timeline, database.
-- A restore, an upgrade and a switch to a logical replica change the cluster; a recovery to a point in
-- time and a failover change the timeline; a database loaded beside the old one and renamed has another oid.
-- Indexes: pg_database_datname_index.
SELECT concat_ws(
    '/',
    (SELECT system_identifier FROM pg_control_system()),
    CASE
        WHEN pg_is_in_recovery() THEN (SELECT timeline_id FROM pg_control_checkpoint())
        ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer
    END,
    (SELECT oid FROM pg_database WHERE datname = current_database())
) AS lineage


-- name: lineage_since_start
-- The same as lineage.sql where its functions may not be called: the present run of the server,
-- since every restore and every failover begins with a start.
-- Indexes: pg_database_datname_index.
SELECT concat_ws(
    '/',
    'started',
    extract(epoch FROM pg_postmaster_start_time()),
    (SELECT oid FROM pg_database WHERE datname = current_database())
) AS lineage


-- name: needed_columns
-- Tell of each needed column whether its table and itself exist, whether the role may read it, and from whom
-- row security hides rows of the table: never from its owner, superusers and roles with BYPASSRLS. What a view shows is
-- read as its owner, unless it is made to be read as whoever asks (PostgreSQL 15 and later).
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


-- name: row_versions
-- Tell whether xmin of some tables can be read and means what it means in PostgreSQL's own tables: no view, no
-- foreign table, no other storage, and SELECT on the whole table.
-- Parameters: tables (text[]).
-- Indexes: the catalogue's own.
SELECT count(*) = cardinality(%(tables)s::text[]) AND bool_and(
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
WHERE relation.oid IN (SELECT to_regclass(name) FROM unnest(%(tables)s::text[]) AS name)


-- name: schema_version
-- The latest change to Chatwoot's tables, 14 digits of a time.
-- Indexes: schema_migrations_pkey.
SELECT max(version) AS version FROM schema_migrations WHERE version ~ '^[0-9]{14}$'


-- name: vouch
-- What tells that rows may be missing although every statement is answered: something else in the place of a
-- table (a view may filter, a foreign table lies elsewhere), a standby that has not replayed all it received or
-- receives nothing, and which table it is.
-- Indexes: the catalogue's own.
SELECT
    -- Another after a restore into the same database, and after TRUNCATE; also after VACUUM FULL.
    concat_ws('/', to_regclass('contacts')::oid, pg_relation_filenode(to_regclass('contacts'))) AS contacts_table,
    ARRAY(
        SELECT relation.relname::text
        FROM pg_class AS relation
        WHERE relation.oid IN (
            to_regclass('accounts'), to_regclass('inboxes'), to_regclass('contacts'), to_regclass('contact_inboxes'),
            to_regclass('conversations'), to_regclass('messages')
        )
        AND relation.relkind NOT IN ('r', 'p')
        ORDER BY 1
    ) AS not_tables,
    CASE
        WHEN pg_is_in_recovery() AND (
            pg_last_wal_receive_lsn() IS DISTINCT FROM pg_last_wal_replay_lsn()
            -- Cut off, it has replayed all it ever received. Whoever may not see the receiver sees that there is one.
            OR NOT EXISTS (SELECT FROM pg_stat_wal_receiver)
        )
        -- Since it started, it may have replayed no transaction; what it began with is at least as new as its checkpoint.
        THEN extract(epoch FROM clock_timestamp() - coalesce(
            pg_last_xact_replay_timestamp(), (SELECT checkpoint_time FROM pg_control_checkpoint())
        ))::float
    END AS seconds_behind
