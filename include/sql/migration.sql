-- name: lock
-- Let one migrator work at a time; held until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('krayin_sync.migrations', 0))


-- name: schema
-- The schema must exist before the migration tool can keep its version table in it.
CREATE SCHEMA IF NOT EXISTS krayin_sync
