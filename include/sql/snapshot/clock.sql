-- Purpose: the sync database's clock, by which `seen_at` is noted.
-- Parameters: none.
-- Indexes: none.
SELECT clock_timestamp()
