-- Purpose: tell whether a sync's first load was ever planned.
-- Parameters: sync_name, stream.
-- Indexes: watermark_pkey (by its first column).
SELECT EXISTS (
    SELECT 1 FROM krayin_sync.watermark WHERE sync_name = %(sync_name)s AND stream = %(stream)s
)
