-- Purpose: keep the webhook registered for a sync.
-- Parameters: sync_name, url, chatwoot_id, secret (encrypted, or NULL when Chatwoot gave none).
-- Indexes: webhook_pkey.
INSERT INTO krayin_sync.webhook (sync_name, url, chatwoot_id, secret)
VALUES (%(sync_name)s, %(url)s, %(chatwoot_id)s, %(secret)s)
ON CONFLICT (sync_name) DO UPDATE
SET url = excluded.url, chatwoot_id = excluded.chatwoot_id, secret = excluded.secret,
    registered_at = clock_timestamp()
