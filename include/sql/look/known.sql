-- Purpose: tell whether a sync has read Chatwoot before.
-- Parameters: sync_name.
-- Indexes: watermark_pkey.
SELECT EXISTS (SELECT FROM krayin_sync.watermark WHERE sync_name = %(sync_name)s)
