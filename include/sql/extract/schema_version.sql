-- Purpose: the latest change to Chatwoot's tables, 14 digits of a time.
-- Parameters: none.
-- Indexes: schema_migrations_pkey.
SELECT max(version) AS version FROM schema_migrations WHERE version ~ '^[0-9]{14}$'
