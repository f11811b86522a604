-- Purpose: how far one of Krayin's lists has been read.
-- Parameters: target_id, crm_kind.
-- Indexes: crm_snapshot_mark_pkey.
SELECT next_page, complete_at, watermark, settled_mark
FROM krayin_sync.crm_snapshot_watermark
WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s
