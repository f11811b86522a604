-- Purpose: let no statement of the webhook receiver last longer than Chatwoot waits for its answer.
-- Parameters: none.
-- Indexes: none.
SET statement_timeout = '3s'
