-- name: any_bytes
-- Take texts from the server as the bytes they are; where it knows no encoding itself, nothing else works.
SELECT set_config('client_encoding', 'SQL_ASCII', false);


-- name: chatwoot
-- Set up the reading transaction and take its snapshot; must be its first statement. The snapshot is asked
-- for by its older name, which is the only one in PostgreSQL 12.
-- Parameters: statement_timeout, idle_timeout, lock_timeout (milliseconds as text).
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


-- name: checksums
-- Let the planner add up checksums in memory and in parallel for the rest of the reading transaction. It
-- knows nothing of `id >> 6` and would take every row for a group of its own, sort all of them, and use one core.
-- Compiling the expressions takes longer than computing them.
SELECT
    set_config('work_mem', '64MB', true) AS work_mem,
    set_config('enable_sort', 'off', true) AS enable_sort,
    set_config('parallel_setup_cost', '0', true) AS parallel_setup_cost,
    set_config('parallel_tuple_cost', '0', true) AS parallel_tuple_cost,
    set_config('jit', 'off', true) AS jit


-- name: give_way
-- Cancel what a process of the server carries out if another one waits for a lock on a table that it reads.
-- Parameters: process (its id).
SELECT pg_cancel_backend(%(process)s)
WHERE EXISTS (
    SELECT 1
    FROM pg_locks AS held
    JOIN pg_locks AS wanted USING (database, relation)
    WHERE held.pid = %(process)s AND held.granted AND NOT wanted.granted
)


-- name: own_process
-- The server's process behind this transaction; with a pooler it is another one than the connection was told of.
SELECT pg_backend_pid() AS process


-- name: page
-- Let no statement of a page last longer than people wait, in this transaction.
-- Parameters: slowest (as PostgreSQL writes a duration).
SELECT set_config('statement_timeout', %(slowest)s, true);


-- name: sync_database
-- Set what this program relies on, whatever a role or database is set to: times in UTC, and no limit of PostgreSQL 17's on transactions.
-- A pooler that switches connections between transactions keeps the time zone of each client (PgBouncer does), or shows times in another.
SELECT set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO', false),
       (SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout');
