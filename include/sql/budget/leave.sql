-- Purpose: stop waiting, so that lower lanes need not stand back for a waiter that gave up.
-- Parameters: key, ticket.
-- Indexes: rate_budget_waiter_pkey.
DELETE FROM krayin_sync.rate_budget_waiter WHERE key = %(key)s::text AND ticket = %(ticket)s::uuid;
