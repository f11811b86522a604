-- Purpose: set what this program relies on, whatever a role or database is set to: times in UTC, and no limit of PostgreSQL 17's on transactions.
--   A pooler that switches connections between transactions keeps the time zone of each client (PgBouncer does), or shows times in another.
-- Parameters: none.
-- Indexes: none.
SELECT set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO', false),
       (SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout');
