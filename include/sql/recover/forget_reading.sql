-- Purpose: have Krayin's lists read as if never before.
-- Parameters: target_id.
-- Indexes: crm_snapshot_mark_pkey.
DELETE FROM krayin_sync.crm_snapshot_watermark WHERE target_id = %(target_id)s
