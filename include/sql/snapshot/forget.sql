-- Purpose: forget records that turned out to be deleted in Krayin.
-- Parameters: target_id, crm_kind, crm_ids (bigint[]).
-- Indexes: crm_snapshot_pkey.
DELETE FROM krayin_sync.crm_snapshot
WHERE target_id = %(target_id)s AND crm_kind = %(crm_kind)s AND crm_id = ANY(%(crm_ids)s)
