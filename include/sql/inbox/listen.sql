-- Purpose: hear of waiting events.
-- Parameters: none.
-- Indexes: none.
LISTEN krayin_sync_inbox
