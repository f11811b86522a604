-- Purpose: set up the reading transaction and take its snapshot; must be its first statement. The snapshot is asked
--   for by its older name, which is the only one in PostgreSQL 12.
-- Parameters: statement_timeout, idle_timeout, lock_timeout (milliseconds as text).
-- Indexes: none.
SELECT
    transaction_timestamp() AS read_at,
    txid_current_snapshot()::text AS snapshot,
    current_user::text AS role_name,
    set_config('TimeZone', 'UTC', true) AS timezone,
    set_config('DateStyle', 'ISO', true) AS datestyle,
    set_config('statement_timeout', %(statement_timeout)s, true) AS statement_timeout,
    set_config('idle_in_transaction_session_timeout', %(idle_timeout)s, true) AS idle_in_transaction_session_timeout,
    set_config('lock_timeout', %(lock_timeout)s, true) AS lock_timeout,
    -- PostgreSQL 17 and later; a role may have it set.
    (SELECT set_config(name, '0', true) FROM pg_settings WHERE name = 'transaction_timeout') AS transaction_timeout
