-- Purpose: the same as lineage.sql where its functions may not be called: the present run of the server,
--   since every restore and every failover begins with a start.
-- Parameters: none.
-- Indexes: pg_database_datname_index.
SELECT concat_ws(
    '/',
    'started',
    extract(epoch FROM pg_postmaster_start_time()),
    (SELECT oid FROM pg_database WHERE datname = current_database())
) AS lineage
