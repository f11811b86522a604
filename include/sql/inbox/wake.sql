-- Purpose: tell whoever listens that events of a sync wait; a hint only, it may get lost.
-- Parameters: sync_name.
-- Indexes: none.
SELECT pg_notify('krayin_sync_inbox', %(sync_name)s)
