-- Purpose: find the webhook registered for a sync.
-- Parameters: sync_name.
-- Indexes: webhook_pkey.
SELECT url, chatwoot_id, secret FROM krayin_sync.webhook WHERE sync_name = %(sync_name)s
