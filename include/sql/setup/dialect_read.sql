-- Purpose: how a Krayin answers, unless that was learned too long ago.
-- Parameters: target_id, max_age (interval).
-- Indexes: krayin_target_pkey.
SELECT dialect
FROM krayin_sync.krayin_target
WHERE id = %(target_id)s AND dialect_learned_at > clock_timestamp() - %(max_age)s
