-- Purpose: plannings of one sync are counted one after the other; held from the end of a chunk to its commit.
-- Parameters: sync_name.
SELECT pg_advisory_xact_lock(hashtextextended('krayin_sync.guard ' || %(sync_name)s, 0))
