-- Purpose: whether a sync has read Chatwoot within some of its own schedules; true before its first load.
-- Parameters: sync_name, oldest_seconds.
-- Indexes: watermark_pkey.
SELECT coalesce(
    extract(epoch FROM clock_timestamp() - min(moved_at)) < %(oldest_seconds)s, true
) AS read_within_its_schedules
FROM krayin_sync.watermark
WHERE sync_name = %(sync_name)s AND stream = 'contacts'
