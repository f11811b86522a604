-- Purpose: let no statement of a page last longer than people wait, in this transaction.
-- Parameters: slowest (as PostgreSQL writes a duration).
-- Indexes: none.
SELECT set_config('statement_timeout', %(slowest)s, true);
