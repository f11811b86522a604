-- Purpose: the kept catalogue of a Krayin connection, unless it, or what is known of how its Krayin answers, is too old.
-- Parameters: connection_key, max_age, dialect_age (intervals).
-- Indexes: krayin_catalogue_pkey, krayin_target_pkey.
SELECT catalogue.target_id, catalogue.document,
       coalesce(extract(epoch FROM clock_timestamp() - catalogue.attributes_read_at)::float8, 'infinity') AS attributes_age
FROM krayin_sync.krayin_catalogue AS catalogue
JOIN krayin_sync.krayin_target AS target ON target.id = catalogue.target_id
WHERE catalogue.connection_key = %(connection_key)s
  AND catalogue.read_at > clock_timestamp() - %(max_age)s
  AND target.dialect_learned_at > clock_timestamp() - %(dialect_age)s
