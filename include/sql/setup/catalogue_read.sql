-- Purpose: the kept catalogue of a Krayin connection, unless it is too old.
-- Parameters: connection_key, max_age (interval).
-- Indexes: krayin_catalogue_pkey.
SELECT target_id, document
FROM krayin_sync.krayin_catalogue
WHERE connection_key = %(connection_key)s
  AND read_at > clock_timestamp() - %(max_age)s
