-- Purpose: name the history in which transaction ids are comparable: cluster, timeline, database.
--   A restore, an upgrade and a switch to a logical replica change the cluster; a recovery to a point in
--   time and a failover change the timeline; a database loaded beside the old one and renamed has another oid.
-- Parameters: none.
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
