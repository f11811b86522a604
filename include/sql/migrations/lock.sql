-- Purpose: let one migrator work at a time; held until the transaction ends.
-- Parameters: none.
SELECT pg_advisory_xact_lock(hashtextextended('krayin_sync.migrations', 0))
