-- Purpose: all accounts.
-- Parameters: none.
-- Indexes: accounts_pkey.
SELECT id, name, coalesce(status, 0) = 1 AS suspended
FROM accounts
ORDER BY id
