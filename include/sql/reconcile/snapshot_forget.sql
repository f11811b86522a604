-- Purpose: forget what a full reading of Krayin's list did not show any more.
-- Parameters: target_id, crm_kind, began.
-- Indexes: crm_snapshot_pkey.
DELETE FROM krayin_sync.crm_snapshot
WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s AND seen_at < %(began)s
