-- Purpose: workers of one Krayin claim one after the other; held for the short claiming transaction only.
-- Parameters: target_id.
SELECT pg_advisory_xact_lock(hashtextextended('krayin_sync.claim', %(target_id)s))
