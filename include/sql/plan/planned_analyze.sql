-- Purpose: let the planner know how the tables have grown; autovacuum comes minutes later, and a lookup of some contacts
--          would read all of an account meanwhile. A dry run keeps the lock until its end: nobody waits for it.
-- Parameters: none.
-- Indexes: none.
ANALYZE (SKIP_LOCKED) krayin_sync.mapping, krayin_sync.operation, krayin_sync.organization_member
