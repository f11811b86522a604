-- Purpose: let one migrator work at a time; held by the session until it ends.
-- Parameters: none.
SELECT pg_advisory_lock(hashtextextended('krayin_sync.migrations', 0))
