-- Purpose: let the planner know what was just staged; with the statistics of an empty table it would sort all of it for
--          each chunk.
-- Parameters: none.
-- Indexes: none.
ANALYZE (SKIP_LOCKED) krayin_sync.staged_contact
