-- Purpose: keep how a Krayin answers. What is learned beside what is known already does not make that younger.
-- Parameters: target_id, document (JSON), max_age (interval).
-- Indexes: krayin_target_pkey.
UPDATE krayin_sync.krayin_target
SET dialect = %(document)s,
    dialect_learned_at = CASE WHEN dialect_learned_at > clock_timestamp() - %(max_age)s
                              THEN dialect_learned_at ELSE clock_timestamp() END
WHERE id = %(target_id)s
