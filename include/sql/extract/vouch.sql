-- Purpose: what tells that rows may be missing although every statement is answered: something else in the place of a
--   table (a view may filter, a foreign table lies elsewhere), a standby that has not replayed all it received or
--   receives nothing, and which table it is.
-- Parameters: none.
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
